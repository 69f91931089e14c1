"""Rerank the top of a run with a model that scores (query, document) pairs."""

from itertools import chain
from time import perf_counter
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.cache import content_key, remembered
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.progress import progress_bar

Pairs = list[tuple[str, str]]

PAIRS_AT_ONCE = 256  # scored and kept together: after these the bar moves, and this much an interruption can cost


class Reranker(Protocol):
    """What reranks: a sentence-transformers ``CrossEncoder``, or anything with its ``predict``."""

    def predict(self, pairs: Pairs, /) -> ArrayLike:
        """Return one score per (query, document) pair."""


@runtime_checkable
class Fingerprinted(Protocol):
    """A reranker whose scores can be kept, since it names its own content."""

    def fingerprint(self) -> str:
        """Return a key of all that decides a score."""


class Reranked(NamedTuple):
    """What `rerank` gives.

    Attributes:
        run: The documents that were scored, and no others.
        seconds: The model's time for them; of scores from the cache, the time they took when they were made.
    """

    run: Run
    seconds: float


class _Scores(NamedTuple):
    values: NDArray[np.float32]  # (pairs,)
    seconds: float


def load_reranker(name: str) -> Reranker:
    """Load a cross-encoder, or a bi-encoder, by name: a local directory, a packaged model, or a hub id.

    Raises:
        gemma_st.errors.ModelError: There is no such model.
    """
    from gemma_st import CrossEncoder, SentenceTransformer
    from gemma_st.names import locate
    from ir_eval.pipeline.bi_encoder import BiEncoder, is_bi_encoder

    model: Reranker = BiEncoder(SentenceTransformer(name)) if is_bi_encoder(locate(name)) else CrossEncoder(name)
    return model


def rerank(
    run: Run, collection: Collection, reranker: Reranker, *, depth: int = 100, name: str = "reranker"
) -> Reranked:
    """Score the first documents of every query anew and order them by that score.

    A reranker with a ``fingerprint`` is asked for no score twice: scores are kept under the content of the model and
    of the texts, so interrupted work goes on where it was, and a changed model or text is scored anew.

    Args:
        run: The first stage; queries that are not topics of the collection are left out.
        collection: Where the texts of topics and documents are.
        reranker: The model.
        depth: How many documents of each query are scored; the rest is dropped.
        name: Of the new run.

    Raises:
        InputError: ``depth`` is below 1, the run has none of the topics or a document that the collection lacks, or
            the model does not give one finite score a pair.
    """
    top = run.top(depth)
    candidates = {query_id: top[query_id][0].tolist() for query_id in top if query_id in collection.topics}
    if not candidates:
        raise InputError(
            f"run '{run.name}' has queries like {next(iter(run))!r}, {collection.name} topics like "
            f"{next(iter(collection.topics), None)!r}, and none in common; use a run and its own collection"
        )
    texts = collection.texts(chain.from_iterable(candidates.values()))
    fingerprint = reranker.fingerprint() if isinstance(reranker, Fingerprinted) else None
    queries, at_once, lots = list(candidates), max(1, PAIRS_AT_ONCE // depth), []
    with progress_bar() as bar:
        task = bar.add_task(f"reranking with {name}", total=len(queries))
        for start in range(0, len(queries), at_once):
            lot = queries[start : start + at_once]
            pairs = [
                (collection.topics[query_id], texts[doc_id]) for query_id in lot for doc_id in candidates[query_id]
            ]
            lots.append(_score(reranker, pairs, fingerprint))
            bar.advance(task, len(lot))
    rows = [(query_id, doc_id) for query_id, doc_ids in candidates.items() for doc_id in doc_ids]
    scores = np.concatenate([lot.values for lot in lots])
    reranked = Run.from_columns([row[0] for row in rows], [row[1] for row in rows], scores, name=name)
    return Reranked(reranked, sum(lot.seconds for lot in lots))


def _score(reranker: Reranker, pairs: Pairs, fingerprint: str | None) -> _Scores:
    """Score pairs, or read what the same model gave for the same texts."""
    if fingerprint is None:
        return _predict(reranker, pairs)
    key = content_key("scores", fingerprint, *chain.from_iterable(pairs))
    data = remembered(f"scores/{key[:2]}/{key[2:34]}", lambda: _pack(_predict(reranker, pairs)))
    seconds, *values = np.frombuffer(data, dtype="<f8").tolist()
    return _Scores(np.array(values, dtype=np.float32), seconds)


def _predict(reranker: Reranker, pairs: Pairs) -> _Scores:
    start = perf_counter()
    values = np.asarray(reranker.predict(pairs), dtype=np.float32)
    seconds = perf_counter() - start
    if values.size != len(pairs):
        raise InputError(
            f"a model with {values.shape} scores for {len(pairs)} pairs; expected one each; "
            "rerank with a model of one label"
        )
    if not np.isfinite(values).all():
        query, document = pairs[int(np.argmin(np.isfinite(values)))]
        raise InputError(
            f"a score that is not finite, for query {query[:50]!r} and document {document[:50]!r}; expected a number; "
            "load the model in float32 (Gemma overflows in float16)"
        )
    return _Scores(values.reshape(-1), seconds)


def _pack(scores: _Scores) -> bytes:
    return np.array([scores.seconds, *scores.values], dtype="<f8").tobytes()
