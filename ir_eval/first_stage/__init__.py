"""First stages: from topics to a Run."""

from collections.abc import Mapping
from typing import Any, Protocol

from ir_eval.collections import Collection
from ir_eval.run import Run


class Retriever(Protocol):
    """What searches a collection."""

    def prepare(self) -> object:
        """Build what is built once."""

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` best documents of every topic."""
        ...


def open_retriever(kind: str, collection: Collection, **options: Any) -> Retriever:
    """Open a first stage by its kind."""
    from ir_eval.first_stage.bm25 import BM25

    return BM25(collection, **options)
