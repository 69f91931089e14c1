"""The evaluator ``rerank`` of ``gemma-st train``, an entry point: evaluate a reranker on topics while it is trained."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gemma_st.training.evaluator import Evaluator
from ir_eval.collections import Collection, open_collection
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import MAX_COUNT, MAX_SEED, InputError, check_count, check_kind, shown
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import parse_measure
from ir_eval.pipeline.negatives import check_first_stage, first_stage
from ir_eval.pipeline.rerank import Pairs, Reranker, rerank


def rerank_evaluator(
    *,
    collection: str,
    split: str | None = None,
    run: str = "bm25",
    depth: int = 100,
    measures: Sequence[str] = ("ndcg@10",),
    queries: int | None = None,
    seed: int = 0,
) -> Evaluator:
    """Return an evaluator that reranks the top of a first stage with the model and evaluates the result.

    The arguments are the keys of a stage's ``[evaluation]`` table.

    Args:
        collection: Folder, ir_datasets id, or ``python-docs``.
        split: Name of the judgements, if the collection has several.
        run: ``bm25``, or the file of a TREC run.
        depth: Number of documents to score per query.
        measures: Measures as for ``ir-eval evaluate``; the first decides which checkpoint is the best.
        queries: Number of judged queries, drawn at random; all if None.
        seed: Seed of the draw.

    Raises:
        InputError: The collection or a measure does not exist, a number is below 1, or there are no judgements.

    Examples:
        >>> from ir_eval import load_reranker
        >>> evaluator = rerank_evaluator(collection="collection", run="bm25.trec", depth=2, measures=["recall@2"])
        >>> evaluator(load_reranker("reranker"))
        {'recall@2': 0.5}
    """
    if not isinstance(measures, list | tuple) or not measures:
        raise InputError(f"measures {shown(measures)}; expected a list such as ['ndcg@10']")
    parsed = tuple(str(parse_measure(measure)) for measure in measures)
    check_kind("collection", collection, str)
    for name, value in (("depth", depth), ("queries", 1 if queries is None else queries)):
        if type(value) is not int or not 1 <= value <= MAX_COUNT:
            raise InputError(f"{name} {shown(value)}; expected a whole number above 0")
    check_count("seed", seed, least=0, most=MAX_SEED)
    check_first_stage(run)
    opened = open_collection(collection, split=split)
    qrels = opened.judgements("measure with")
    judged = list(qrels)
    if queries is not None and queries < len(judged):
        places = np.random.default_rng(seed).permutation(len(judged))[:queries]
        judged = [judged[place] for place in sorted(places.tolist())]
    sampled = Qrels.from_dict({query_id: qrels[query_id] for query_id in judged})
    topics = {query_id: text for query_id, text in opened.topics.items() if query_id in sampled}
    sample = replace(opened, topics=topics, qrels=sampled)
    evaluator = _RerankEvaluator(sample, run, depth, parsed)
    if run != "bm25":
        evaluator.candidates  # noqa: B018 - a run that cannot be read is an error before training
    return evaluator


@dataclass(frozen=True)
class _RerankEvaluator:
    """Reranks and evaluates. Its first call searches, and reads the texts of the candidates into memory."""

    collection: Collection
    first_stage: str
    depth: int
    measures: tuple[str, ...]

    def __call__(self, model: Reranker) -> dict[str, float]:
        """Evaluate a model. Its scores are not cached, since the weights change with every training step."""
        run, collection = self.candidates
        reranked = rerank(run, collection, _Unkept(model), depth=self.depth, name="dev").run
        return evaluate(collection.judgements(), reranked, self.measures).means

    @cached_property
    def candidates(self) -> tuple[Run, Collection]:
        """The first stage's run, and a collection of only the documents in it, held in memory."""
        run = first_stage(self.collection, self.first_stage, self.collection.topics, self.depth)
        wanted = (doc_id for query_id in run if query_id in self.collection.topics for doc_id in run[query_id][0])
        return run, replace(self.collection, source=_Texts(self.collection.texts(wanted)))


@dataclass(frozen=True)
class _Texts:
    """Documents in memory; without a fingerprint, so that nothing computed from them can be cached."""

    kept: Mapping[str, str]
    local: bool = True

    @property
    def fingerprint(self) -> str:
        raise InputError("documents in memory have no fingerprint; expected the collection they are from")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.kept.items())

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        return {doc_id: self.kept[doc_id] for doc_id in doc_ids if doc_id in self.kept}


class _Unkept(NamedTuple):
    """A reranker without its fingerprint, so that `rerank` caches no scores."""

    model: Reranker

    def predict(self, pairs: Pairs, /) -> ArrayLike:
        return self.model.predict(pairs)
