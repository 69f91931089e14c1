"""Rerank the top of a run with a model that scores (query, document) pairs."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.cache import cache_dir, content_key
from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.files import atomic_path
from ir_eval.progress import progress_bar
from ir_eval.run import Run

QUERIES_AT_ONCE = 4  # between two of these the bar moves and Ctrl-C is heard


class Reranker(Protocol):
    """What reranks: a sentence-transformers ``CrossEncoder``, or anything with its ``predict``."""

    def predict(self, pairs: list[tuple[str, str]], /) -> ArrayLike:
        """Return one score per (query, document) pair."""


@runtime_checkable
class Fingerprinted(Protocol):
    """A reranker whose scores can be kept: it names its own content."""

    def fingerprint(self) -> str:
        """Return a key of all that decides a score."""


def load_reranker(name: str) -> Reranker:
    """Load a cross-encoder by name: a local directory, a packaged model, or a hub id.

    Raises:
        gemma_st.errors.ModelError: There is no such model.
    """
    from gemma_st import CrossEncoder

    model: Reranker = CrossEncoder(name)
    return model


def rerank(run: Run, collection: Collection, reranker: Reranker, *, depth: int = 100, name: str = "reranker") -> Run:
    """Score the first documents of every query anew and order them by that score.

    Args:
        run: The first stage; queries that are not topics of the collection are left out.
        collection: Where the texts of topics and documents are.
        reranker: The model.
        depth: How many documents of each query are scored; the rest is dropped.
        name: Of the new run.

    Raises:
        InputError: ``depth`` is below 1, the run has none of the topics or a document that the collection lacks, or
            the model gives a score that is not finite.
    """
    top = run.top(depth)
    queries = [query_id for query_id in top if query_id in collection.topics]
    if not queries:
        raise InputError(
            f"run {run.name!r} has queries like {next(iter(run))!r}, {collection.name} topics like "
            f"{next(iter(collection.topics))!r}, and none in common; use a run and a collection that belong together"
        )
    candidates = {query_id: top[query_id][0].tolist() for query_id in queries}
    texts = collection.texts(doc_id for doc_ids in candidates.values() for doc_id in doc_ids)
    rows = [(query_id, doc_id) for query_id in queries for doc_id in candidates[query_id]]
    fingerprint = reranker.fingerprint() if isinstance(reranker, Fingerprinted) else None
    scores = []
    with progress_bar() as bar:
        task = bar.add_task(f"reranking with {name}", total=len(queries))
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            batch = queries[start : start + QUERIES_AT_ONCE]
            pairs = [(collection.topics[query_id], texts[doc]) for query_id in batch for doc in candidates[query_id]]
            scores.append(_score(reranker, pairs, fingerprint))
            bar.advance(task, len(batch))
    values = np.concatenate(scores)
    if not np.isfinite(values).all():
        query_id, doc_id = rows[int(np.argmin(np.isfinite(values)))]
        raise InputError(
            f"{name} scored query {query_id!r}, document {doc_id!r} with a number that is not finite; "
            "load the model in float32 (Gemma overflows in float16)"
        )
    return Run.from_columns([row[0] for row in rows], [row[1] for row in rows], values, name=name)


def _score(reranker: Reranker, pairs: list[tuple[str, str]], fingerprint: str | None) -> NDArray[np.float32]:
    """Score pairs, or read what the same model gave them before: interrupted work goes on where it was."""
    if fingerprint is None:
        return _predict(reranker, pairs)
    key = content_key("scores", fingerprint, *(text for pair in pairs for text in pair))
    path = cache_dir() / "scores" / key[:2] / f"{key[2:34]}.npy"
    if not path.exists():
        with atomic_path(path) as temporary:
            np.save(temporary, _predict(reranker, pairs), allow_pickle=False)
    scores: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return scores


def _predict(reranker: Reranker, pairs: list[tuple[str, str]]) -> NDArray[np.float32]:
    return np.asarray(reranker.predict(pairs), dtype=np.float32).reshape(len(pairs))


def short_name(name: str) -> str:
    """Return what a model's or a run file's result is called: the last part of its path, without ``.trec``."""
    return Path(name).resolve().name.removesuffix(".gz").removesuffix(".trec")
