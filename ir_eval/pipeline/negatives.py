"""Hard negatives: documents that a first stage ranks high for a query and nobody judged relevant."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ir_eval.cache import file_key
from ir_eval.collections import Collection
from ir_eval.data.files import atomic_write, check_folder
from ir_eval.data.run import Run
from ir_eval.errors import InputError


@dataclass(frozen=True)
class Mining:
    """How negatives are drawn.

    Attributes:
        first_stage: ``bm25``, or the file of a TREC run.
        start: Negatives come from this rank of a query on, from 1; the first documents are those that most often are
            relevant and were not judged.
        depth: They come from no lower rank than this.
        positives: How many relevant documents a query at most, the most relevant ones.
        negatives: How many a query; queries with fewer candidates are left out.
        queries: How many queries, drawn at random; all if None.
        seed: Of both draws.

    Raises:
        InputError: A number is below 1, or the seed below 0; the first rank is beyond the last.
    """

    first_stage: str = "bm25"
    start: int = 1
    depth: int = 50
    positives: int = 1
    negatives: int = 5
    queries: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("start", "depth", "positives", "negatives", "queries", "seed"):
            value, least = getattr(self, name), int(name != "seed")
            if value is not None and value < least:
                raise InputError(f"{name} {value}; expected at least {least}")
        if self.start > self.depth:
            raise InputError(f"start {self.start}, depth {self.depth}; expected a first rank above the last")


def mine(collection: Collection, mining: Mining, path: str | Path) -> int:
    """Write one list a query, ``{"query", "documents", "labels"}``: relevant documents with their grades, negatives.

    A candidate whose text equals a relevant document's, apart from case and blanks, is no negative. Beside
    ``NAME.jsonl`` comes ``NAME.json``, which says where the lists are from.

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
    path = Path(path)
    if path.suffix != ".jsonl":
        raise InputError(f"{path}: expected a name that ends in .jsonl; its origin goes into .json beside it")
    check_folder(path.parent)
    random = np.random.default_rng(mining.seed)
    relevant = _relevant(collection)
    drawn = [list(relevant)[i] for i in random.permutation(len(relevant))[: mining.queries]]
    topics = {query_id: collection.topics[query_id] for query_id in drawn}
    run = first_stage(collection, mining.first_stage, topics, mining.depth)
    ranked = {query_id: run[query_id][0].tolist()[mining.start - 1 :] for query_id in drawn if query_id in run}
    texts = collection.texts(doc_id for query_id in ranked for doc_id in [*relevant[query_id], *ranked[query_id]])
    written = 0
    with atomic_write(path) as file:
        for query_id, doc_ids in ranked.items():
            candidates = _candidates(doc_ids, relevant[query_id], texts)
            if len(candidates) < mining.negatives:
                continue
            negatives = [candidates[i] for i in random.choice(len(candidates), mining.negatives, replace=False)]
            grades = dict(list(relevant[query_id].items())[: mining.positives])
            documents = [*(texts[doc_id] for doc_id in grades), *negatives]
            labels = [*grades.values(), *[0] * len(negatives)]
            file.write(json.dumps({"query": topics[query_id], "documents": documents, "labels": labels}) + "\n")
            written += 1
        if not written:
            raise InputError(
                f"{collection.name}: none of {len(drawn)} queries has {mining.negatives} candidates; "
                "expected at least one; mine deeper, or fewer negatives"
            )
    with atomic_write(path.with_suffix(".json")) as file:
        file.write(json.dumps(_origin(collection, mining, path, written), indent=1) + "\n")
    return written


def first_stage(collection: Collection, name: str, topics: Mapping[str, str], depth: int) -> Run:
    """Return the first documents of each topic.

    Args:
        collection: What ``bm25`` searches.
        name: ``bm25``, or the file of a TREC run.
        topics: Query id to text.
        depth: How many documents each.

    Raises:
        InputError: The file is no run.
    """
    if name != "bm25":
        return Run.read(name).top(depth)
    from ir_eval.retrieval.bm25 import BM25

    return BM25(collection).search(topics, k=depth)


def _origin(collection: Collection, mining: Mining, path: Path, written: int) -> dict[str, Any]:
    """Return where lists are from: what was asked for, and the content of what answered."""
    from ir_eval.provenance import commit, versions

    given = mining.first_stage != "bm25"
    return {
        "collection": collection.name,
        "split": collection.split,
        **asdict(mining),
        "first_stage_sha256": file_key(Path(mining.first_stage)) if given else None,
        "lists": written,
        "sha256": file_key(path),
        "versions": versions(),
        "commit": commit(),
    }


def _relevant(collection: Collection) -> dict[str, dict[str, int]]:
    """Return the relevant documents of each query that has any, the most relevant first, with their grades."""
    qrels = collection.judgements("mine with")
    judged = ((query_id, qrels[query_id]) for query_id in qrels)
    relevant = {
        query_id: {doc_id: level for doc_id, level in levels.items() if level > 0} for query_id, levels in judged
    }
    return {query_id: levels for query_id, levels in relevant.items() if levels}


def _candidates(doc_ids: Iterable[str], relevant: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Return the texts of documents that say something else than the relevant ones."""
    same = {_normal(texts[doc_id]) for doc_id in relevant}
    return [texts[doc_id] for doc_id in doc_ids if _normal(texts[doc_id]) not in same]


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
