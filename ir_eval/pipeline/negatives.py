"""Mine hard negatives: documents that a first stage ranks high for a query, and that nobody judged relevant."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from gemma_st.settings import settings
from ir_eval.cache import file_key
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_write, check_files, check_output
from ir_eval.errors import MAX_COUNT, MAX_SEED, InputError, check_count, check_kind
from ir_eval.provenance import commit, versions
from ir_eval.retrieval.bm25 import BM25

_Count = Annotated[int, Field(ge=1, le=MAX_COUNT, strict=True)]


@settings(error=InputError)
class Mining:
    """How `mine` draws queries and negatives.

    Attributes:
        first_stage: ``bm25``, or the file of a TREC run.
        start: First rank of the candidates, from 1. A higher start skips the top documents, which are most likely to be
            relevant although nobody judged them.
        depth: Last rank of the candidates.
        positives: Maximum number of relevant documents per query; the highest grades come first.
        negatives: Number of negatives per query; a query with fewer candidates is left out.
        queries: Number of queries, drawn at random; all if None.
        seed: Seed of the one random generator that first draws the queries and then the negatives of each query.

    Examples:
        >>> Mining(start=11, depth=10)
        Traceback (most recent call last):
        ir_eval.errors.InputError: start 11, depth 10; expected a start of at most the depth
    """

    first_stage: str = "bm25"
    start: _Count = 1
    depth: _Count = 50
    positives: _Count = 1
    negatives: _Count = 5
    queries: _Count | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, strict=True)] = 0

    def __post_init__(self) -> None:
        """Check that there is a rank from start to depth."""
        if self.start > self.depth:
            raise InputError(f"start {self.start}, depth {self.depth}; expected a start of at most the depth")


def mine(collection: Collection, mining: Mining, path: str | Path) -> int:
    """Write training lists, one JSON line per query: ``{"query", "documents", "labels"}``.

    The documents are the relevant documents with their grades as labels, then the negatives with label 0. A candidate
    is a document of the first stage at ranks ``start`` to ``depth`` whose text differs from the text of every relevant
    document, ignoring case and whitespace. The same collection, settings and versions give the same bytes.

    Beside ``NAME.jsonl``, ``NAME.json`` records the collection, the settings, the versions and the content hashes.

    Args:
        collection: Topics, judgements and documents.
        mining: Settings.
        path: JSONL file to write; it appears whole or not at all.

    Returns:
        The number of lists.

    Raises:
        InputError: The collection has no judgements, lacks a document that is judged relevant or retrieved, or has no
            query with enough candidates; or the file is not writable.

    Examples:
        >>> from ir_eval import open_collection
        >>> mine(open_collection("collection"), Mining(first_stage="bm25.trec", negatives=1), "mined.jsonl")
        2
    """
    check_kind("collection", collection, Collection)
    check_kind("mining", mining, Mining)
    check_kind("path", path, str, Path)
    path = Path(path)
    if path.suffix != ".jsonl":
        raise InputError(f"{path}: expected a name that ends in .jsonl, since the record goes to .json beside it")
    check_output(path)
    check_first_stage(mining.first_stage)
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
            positives = [(texts[doc_id], grade) for doc_id, grade in relevant[query_id].items()][: mining.positives]
            file.write(_line(topics[query_id], positives, negatives))
            written += 1
        if not written:
            raise InputError(
                f"{collection.name}: none of {len(drawn)} queries has {mining.negatives} candidates; "
                "expected at least one such query; increase the depth or ask for fewer negatives"
            )
    with atomic_write(path.with_suffix(".json")) as file:
        file.write(json.dumps(_record(collection, mining, path, written), indent=1) + "\n")
    return written


def _line(query: str, positives: list[tuple[str, int]], negatives: list[str]) -> str:
    documents, labels = zip(*positives, *((text, 0) for text in negatives), strict=True)
    return json.dumps({"query": query, "documents": documents, "labels": labels}) + "\n"


def first_stage(collection: Collection, name: str, topics: Mapping[str, str], depth: int) -> Run:
    """Return the top ``depth`` documents of each topic, by BM25 if ``name`` is ``bm25``, else from the run file.

    Examples:
        >>> from ir_eval import open_collection
        >>> first_stage(open_collection("collection"), "bm25.trec", {}, depth=1).to_dict()
        {'q1': {'d2': 2.0}, 'q2': {'d4': 3.0}}
    """
    check_count("depth", depth)
    if name != "bm25":
        return Run.read(name).top(depth)
    return BM25(collection).search(topics, k=depth)


def check_first_stage(name: str) -> None:
    """Raise InputError unless ``name`` is ``bm25`` or an existing file.

    Examples:
        >>> check_first_stage("bm52")
        Traceback (most recent call last):
        ir_eval.errors.InputError: bm52: cannot be read (No such file or directory); expected a whole file; ...
    """
    check_kind("first stage", name, str)
    if name != "bm25":
        check_files(name)


def _record(collection: Collection, mining: Mining, path: Path, written: int) -> dict[str, Any]:
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
    """Return the relevant documents, the highest grade first, of each query that has any."""
    qrels, relevant = collection.judgements("mine with"), dict[str, dict[str, int]]()
    for query_id in qrels:
        if positive := {doc_id: grade for doc_id, grade in qrels[query_id].items() if grade > 0}:
            relevant[query_id] = positive
    return relevant


def _candidates(doc_ids: Iterable[str], relevant: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Return the texts of the documents that do not repeat the text of a relevant document."""
    same = {_normal(texts[doc_id]) for doc_id in relevant}
    return [texts[doc_id] for doc_id in doc_ids if _normal(texts[doc_id]) not in same]


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
