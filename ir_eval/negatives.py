"""Hard negatives: documents that a first stage ranks high for a query and nobody judged relevant."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.files import atomic_write, check_folder
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
        InputError: A number is below 1, or the seed below 0.
    """

    first_stage: str = "bm25"
    depth: int = 50
    negatives: int = 5
    queries: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("depth", 1), ("negatives", 1), ("queries", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} {value}; expected at least {least}")


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
        InputError: The collection has no judgements or lacks a document that is judged relevant or in the run, no
            query has enough candidates, or the file cannot be written.
    """
    check_folder(Path(path).parent)
    random = np.random.default_rng(mining.seed)
    relevant = _relevant(collection)
    drawn = [list(relevant)[i] for i in random.permutation(len(relevant))[: mining.queries]]
    run = _first_stage(collection, mining, {query_id: collection.topics[query_id] for query_id in drawn})
    ranked = {query_id: run[query_id][0].tolist() for query_id in drawn if query_id in run}
    texts = collection.texts(doc_id for query_id in ranked for doc_id in [*relevant[query_id], *ranked[query_id]])
    written = 0
    with atomic_write(path) as file:
        for query_id, doc_ids in ranked.items():
            same = {_normal(texts[doc_id]) for doc_id in relevant[query_id]}
            candidates = [texts[doc_id] for doc_id in doc_ids if _normal(texts[doc_id]) not in same]
            if len(candidates) < mining.negatives:
                continue
            negatives = [candidates[i] for i in random.choice(len(candidates), mining.negatives, replace=False)]
            documents, labels = [texts[relevant[query_id][0]], *negatives], [1] + [0] * mining.negatives
            row = {"query": collection.topics[query_id], "documents": documents, "labels": labels}
            file.write(json.dumps(row) + "\n")
            written += 1
        if not written:
            raise InputError(
                f"{collection.name}: none of {len(drawn)} queries has {mining.negatives} candidates; "
                "expected at least one; mine deeper, or fewer negatives"
            )
    return written


def _relevant(collection: Collection) -> dict[str, list[str]]:
    """Return the relevant documents of each query that has any, the most relevant first."""
    if collection.qrels is None:
        raise InputError(f"{collection.name}: no judgements to mine with; expected qrels beside the queries; add them")
    judged = ((query_id, collection.qrels[query_id]) for query_id in collection.qrels)
    relevant = {query_id: [doc_id for doc_id, level in levels.items() if level > 0] for query_id, levels in judged}
    return {query_id: doc_ids for query_id, doc_ids in relevant.items() if doc_ids}


def _first_stage(collection: Collection, mining: Mining, topics: dict[str, str]) -> Run:
    if mining.first_stage != "bm25":
        return Run.read(mining.first_stage).top(mining.depth)
    from ir_eval.first_stage.bm25 import BM25

    return BM25(collection).search(topics, k=mining.depth)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
