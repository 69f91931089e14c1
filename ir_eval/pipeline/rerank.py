"""Rerank the top of a run with a model that scores (query, document) pairs."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.cache import content_key, remembered
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import MAX_COUNT, InputError, check_count, check_kind, shown
from ir_eval.progress import progress_bar
from ir_eval.retrieval import TimedRun
from ir_eval.retrieval.model_kind import model_kind
from ir_eval.retrieval.retriever import batches

Pairs = list[tuple[str, str]]  # (query, document)

PAIRS_PER_BATCH = 256  # scored and cached together; an interruption loses at most one batch


class Reranker(Protocol):
    """A model with ``predict``, such as a sentence-transformers ``CrossEncoder``.

    Examples:
        >>> class Overlap:
        ...     def predict(self, pairs):
        ...         return [len(set(query.split()) & set(document.lower().split())) for query, document in pairs]
        >>> Overlap().predict([("what is gold", "Gold is a metal.")])
        [2]
    """

    def predict(self, pairs: Pairs, /) -> ArrayLike:
        """Return one score per (query, document) pair."""


def load_reranker(name: str) -> Reranker:
    """Load a cross-encoder, or a bi-encoder as a reranker, and score a pair with it.

    Args:
        name: Directory, packaged model or hub id.

    Raises:
        gemma_st.errors.ModelError: There is no such model.
        InputError: The model does not give one finite score per pair.

    Examples:
        >>> load_reranker("reranker").predict([("do goldfish grow", "Gold is a metal.")]).shape
        (1,)
    """
    check_kind("model", name, str, Path)
    from gemma_st import CrossEncoder, SentenceTransformer
    from ir_eval.pipeline.bi_encoder import BiEncoder

    model: Reranker
    model = BiEncoder(SentenceTransformer(name)) if _is_bi_encoder(str(name)) else CrossEncoder(name)
    try:
        _predict(model, [("query", "document")])
    except InputError as error:
        raise InputError(f"model {str(name)!r}: {error}") from error
    return model


def _is_bi_encoder(name: str) -> bool:
    return model_kind(name) == "SentenceTransformer"


def rerank(
    run: Run, collection: Collection, reranker: Reranker, *, depth: int = 100, name: str = "reranker"
) -> TimedRun:
    """Score the top ``depth`` documents of every query with a model, and order them by these scores.

    The remaining documents are dropped, and the time is that of the model. Pairs are scored in batches of whole
    queries. If the model has a method ``fingerprint``, which returns a hash of everything that decides a score, the
    scores of a batch are cached under a hash of the fingerprint and the texts. Interrupted work then resumes after its
    last complete batch, and a changed model or text is scored anew.

    Args:
        run: Run of the first stage; queries that are not topics of the collection are ignored.
        collection: Texts of topics and documents.
        reranker: The model.
        depth: Number of documents to score per query.
        name: Name of the new run.

    Raises:
        InputError: ``depth`` is below 1, the run has none of the topics or has a document that the collection lacks, or
            the model does not return one finite score per pair.

    Examples:
        >>> from ir_eval import open_collection
        >>> collection, model = open_collection("collection"), load_reranker("reranker")
        >>> run, seconds = rerank(Run.read("bm25.trec"), collection, model, depth=1)
        >>> run["q1"][0].tolist()
        ['d2']
    """
    _check(run, collection, reranker, depth)
    check_kind("name", name, str)
    top = run.top(depth)
    candidates = {query_id: top[query_id][0].tolist() for query_id in top if query_id in collection.topics}
    if not candidates:
        raise InputError(
            f"run '{run.name}' has queries like {next(iter(run))!r}, {collection.name} topics like "
            f"{next(iter(collection.topics), None)!r}, and none in common; use a run and its own collection"
        )
    texts = collection.texts(chain.from_iterable(candidates.values()))
    hash_model: Callable[[], str] | None = getattr(reranker, "fingerprint", None)
    fingerprint = hash_model() if hash_model else None
    scored = []
    with progress_bar() as bar:
        task = bar.add_task(f"reranking with {name}", total=len(candidates))
        for batch in batches(candidates.items(), max(1, PAIRS_PER_BATCH // depth)):
            pairs = [(collection.topics[query_id], texts[doc_id]) for query_id, doc_ids in batch for doc_id in doc_ids]
            scored.append(_score(reranker, pairs, fingerprint, name))
            bar.advance(task, len(batch))
    query_ids = [query_id for query_id, doc_ids in candidates.items() for _ in doc_ids]
    scores = np.concatenate([batch[1:] for batch in scored])
    reranked = Run.from_columns(query_ids, list(chain.from_iterable(candidates.values())), scores, name=name)
    return TimedRun(reranked, sum(float(batch[0]) for batch in scored))


def _check(run: Run, collection: Collection, reranker: Reranker, depth: int) -> None:
    check_kind("run", run, Run)
    check_kind("collection", collection, Collection)
    if not callable(getattr(reranker, "predict", None)):
        raise InputError(f"reranker {shown(reranker)}; expected a model with predict, such as load_reranker returns")
    check_count("depth", depth, least=-MAX_COUNT)  # Run.top refuses those below 1


def _score(reranker: Reranker, pairs: Pairs, fingerprint: str | None, name: str) -> NDArray[np.float64]:
    """Return `_predict` of these pairs, from the cache if the same model has scored the same texts."""
    if fingerprint is None:
        return _predict(reranker, pairs)
    key = content_key("scores", fingerprint, *chain.from_iterable(pairs))
    place = f"scores/{content_key('model', fingerprint)[:32]}/{key[:32]}"
    data = remembered(place, lambda: _predict(reranker, pairs).tobytes(), about=f"scores of the model in {name}")
    return np.frombuffer(data, dtype="<f8")


def _predict(reranker: Reranker, pairs: Pairs) -> NDArray[np.float64]:
    """Return the seconds of the model, then its scores, (1 + pairs,)."""
    start = perf_counter()
    values = np.asarray(reranker.predict(pairs), dtype=np.float32)
    seconds = perf_counter() - start
    if values.size != len(pairs):
        raise InputError(
            f"a model with {values.shape} scores for {len(pairs)} pairs; expected one score per pair; "
            "rerank with a model of one label"
        )
    if not np.isfinite(values).all():
        query, document = pairs[int(np.argmin(np.isfinite(values)))]
        raise InputError(
            f"the score of query {query[:50]!r} and document {document[:50]!r} is not finite; expected a number; "
            "load the model in float32 (Gemma overflows in float16)"
        )
    return np.array([seconds, *values.reshape(-1)], dtype="<f8")
