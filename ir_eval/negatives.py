"""Hard negatives: documents that a first stage ranks high for a query and nobody judged relevant."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.files import atomic_write
from ir_eval.run import Run


@dataclass(frozen=True)
class Mining:
    """How negatives are drawn.

    Attributes:
        first_stage: ``bm25``, or the file of a TREC run.
        depth: Negatives come from this many first documents of a query.
        negatives: How many a query; queries with fewer candidates are left out.
        queries: How many queries, drawn at random; all if None.
        seed: Of both draws.

    Raises:
        InputError: A number is below 1.
    """

    first_stage: str = "bm25"
    depth: int = 50
    negatives: int = 5
    queries: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("depth", "negatives", "queries"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} {value}; expected at least 1")


def mine(collection: Collection, mining: Mining, path: str | Path) -> int:
    """Write one list a query, ``{"query", "documents", "labels"}``: a relevant document, then the negatives.

    A candidate whose text equals a relevant document's, apart from case and blanks, is no negative.

    Args:
        collection: Topics, judgements and documents.
        mining: How to draw.
        path: The JSONL file to write; it appears whole or not at all.

    Returns:
        How many lists were written.

    Raises:
        InputError: The collection has no judgements, or no query has enough candidates.
    """
    if collection.qrels is None:
        raise InputError(f"{collection.name}: no judgements to mine against; expected qrels beside the queries")
    random = np.random.default_rng(mining.seed)
    relevant = {
        query_id: [doc for doc, level in collection.qrels[query_id].items() if level > 0]
        for query_id in collection.qrels
    }
    queries = sorted(query_id for query_id, documents in relevant.items() if documents)
    random.shuffle(queries)
    topics = {query_id: collection.topics[query_id] for query_id in queries[: mining.queries]}
    run = _first_stage(collection, mining, topics)
    needed = {
        doc for query_id in topics if query_id in run for doc in [*run[query_id][0].tolist(), *relevant[query_id]]
    }
    texts = collection.texts(needed)
    written = 0
    with atomic_write(path) as file:
        for query_id, query in topics.items():
            if query_id not in run:
                continue
            same = {_normal(texts[doc]) for doc in relevant[query_id]}
            candidates = [text for doc in run[query_id][0].tolist() if _normal(text := texts[doc]) not in same]
            if len(candidates) >= mining.negatives:
                documents = [
                    texts[relevant[query_id][0]],
                    *random.choice(candidates, mining.negatives, replace=False).tolist(),
                ]
                labels = [1] + [0] * mining.negatives
                file.write(json.dumps({"query": query, "documents": documents, "labels": labels}) + "\n")
                written += 1
        if not written:
            raise InputError(f"{collection.name}: no query has {mining.negatives} candidates; mine deeper or fewer")
    return written


def _first_stage(collection: Collection, mining: Mining, topics: dict[str, str]) -> Run:
    if mining.first_stage != "bm25":
        return Run.read(mining.first_stage).top(mining.depth)
    from ir_eval.first_stage.bm25 import BM25

    return BM25(collection).search(topics, k=mining.depth)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
