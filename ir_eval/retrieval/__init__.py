"""First stages: from topics to a Run."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError


class Retrieved(NamedTuple):
    """What `Retriever.retrieve` gives.

    Attributes:
        run: The documents found.
        seconds: From topics to ranking, what `Retriever.prepare` does left out; of rankings from the cache, the time
            they took when they were made.
    """

    run: Run
    seconds: float


class Retriever(Protocol):
    """A first stage over one collection."""

    @property
    def name(self) -> str:
        """Of the runs."""
        ...

    @property
    def key(self) -> str:
        """A content key of all that decides a run besides topics and k: documents, options, model and versions."""
        ...

    def prepare(self) -> object:
        """Build and load what a search needs, and search once: a search that was not prepared does it first."""
        ...

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` best documents of every topic, query id to text; their order changes nothing."""
        ...

    def retrieve(self, topics: Mapping[str, str], k: int = 1000) -> Retrieved:
        """Search, and say how long that took."""
        ...


def open_retriever(kind: str, collection: Collection, **options: Any) -> Retriever:
    """Make a first stage of a kind that a file names, with the options that it gives.

    Args:
        kind: ``bm25`` ([ir_eval.retrieval.bm25.BM25][]) or ``dense`` ([ir_eval.retrieval.dense.Dense][]).
        collection: What is searched.
        **options: Those of its class.

    Raises:
        InputError: There is no such kind or option, an option is lacking, or has a value that it cannot have.

    Example:
        ```python
        rm3 = open_retriever("bm25", collection, feedback="rm3")
        run = rm3.search(collection.topics)
        ```
    """
    from ir_eval.retrieval.bm25 import BM25
    from ir_eval.retrieval.dense import Dense

    kinds: dict[str, type[BM25] | type[Dense]] = {"bm25": BM25, "dense": Dense}
    if kind not in kinds:
        raise InputError(f"first stage {kind!r}; expected {' or '.join(kinds)}")
    signature = inspect.signature(kinds[kind])
    try:
        signature.bind(collection, **options)
    except TypeError as error:
        known = ", ".join(list(signature.parameters)[1:])
        raise InputError(f"first stage {kind}: {error}; its options are {known}") from None
    return kinds[kind](collection, **options)
