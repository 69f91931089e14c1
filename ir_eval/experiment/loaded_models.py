"""The models of an experiment: each is loaded once, before anything is retrieved."""

import json
from collections.abc import Mapping
from typing import Any

from ir_eval.collections import Collection
from ir_eval.pipeline.rerank import Reranker, load_reranker
from ir_eval.retrieval import Retriever, open_retriever


class LoadedModels:
    """The rerankers and first stages that an experiment has loaded.

    Examples:
        >>> models = LoadedModels()
        >>> models.reranker("reranker") is models.reranker("reranker")
        True
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._rerankers: dict[str, Reranker] = {}
        self._retrievers: dict[str, list[tuple[Collection, Retriever]]] = {}  # the first one holds the model

    def reranker(self, name: str) -> Reranker:
        """Return a reranker; the first call loads it."""
        if name not in self._rerankers:
            self._rerankers[name] = load_reranker(name)
        return self._rerankers[name]

    def retriever(self, kind: str, collection: Collection, options: Mapping[str, Any]) -> Retriever:
        """Return a first stage over a collection; the first call loads its model, and looks for its index."""
        opened = self._retrievers.setdefault(json.dumps([kind, options], sort_keys=True, default=str), [])
        found = next((retriever for place, retriever in opened if place is collection), None)
        if found is None:
            found = open_retriever(kind, collection, **options)
            if opened:
                found.share_model(opened[0][1])
            found.load()
            opened.append((collection, found))
        return found
