"""A reranker measured while it is trained, for ``[evaluation]`` in a stage of ``gemma-st train``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ir_eval.collections import Collection, open_collection
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import parse_measure
from ir_eval.pipeline.negatives import first_stage
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
) -> "RerankEvaluator":
    """Return what measures a model by the order that it gives the first documents of a run.

    Args:
        collection: A folder, an ir_datasets id, or ``python-docs``.
        split: Which of its judgements.
        run: A TREC run's file, or ``bm25``.
        depth: How many documents of each query are scored.
        measures: As for ``ir-eval evaluate``; the first decides which checkpoint is the best.
        queries: How many judged queries, drawn at random; all if None.
        seed: Of the draw.

    Raises:
        InputError: There is no such collection or measure, a number is below 1, or nothing is judged.
    """
    if isinstance(measures, str) or not measures:
        raise InputError(f"measures {measures!r}; expected a list such as ['ndcg@10']")
    for name, value in (("depth", depth), ("queries", queries)):
        if value is not None and (type(value) is not int or value < 1):
            raise InputError(f"{name} {value!r}; expected a whole number above 0")
    opened = open_collection(collection, split=split)
    qrels = opened.judgements("measure with")
    judged = list(qrels)
    if queries is not None and queries < len(judged):
        places = np.random.default_rng(seed).permutation(len(judged))[:queries]
        judged = [judged[place] for place in sorted(places.tolist())]
    sample = replace(
        opened,
        topics={query_id: text for query_id, text in opened.topics.items() if query_id in set(judged)},
        qrels=Qrels.from_dict({query_id: qrels[query_id] for query_id in judged}),
    )
    return RerankEvaluator(sample, run, depth, tuple(str(parse_measure(measure)) for measure in measures))


@dataclass(frozen=True)
class RerankEvaluator:
    """What `rerank_evaluator` returns; it searches and reads texts when it is first called.

    Attributes:
        collection: Topics, judgements and documents.
        first_stage: A TREC run's file, or ``bm25``.
        depth: How many documents of each query are scored.
        measures: What is measured.
    """

    collection: Collection
    first_stage: str
    depth: int
    measures: tuple[str, ...]

    def __call__(self, model: Reranker) -> dict[str, float]:
        """Measure a model; its scores are not kept, since its next weights give others.

        Raises:
            InputError: The run is not one of this collection, or a score is not finite.
        """
        run, collection = self._candidates
        reranked = rerank(run, collection, _Unkept(model), depth=self.depth, name="dev").run
        return evaluate(collection.judgements(), reranked, self.measures).means

    @cached_property
    def _candidates(self) -> tuple[Run, Collection]:
        """The run, and the collection with only the documents that are in it, in memory."""
        run = first_stage(self.collection, self.first_stage, self.collection.topics, self.depth).top(self.depth)
        wanted = {doc_id for query_id in run if query_id in self.collection.topics for doc_id in run[query_id][0]}
        return run, replace(self.collection, source=_Texts(self.collection.texts(sorted(map(str, wanted)))))


@dataclass(frozen=True)
class _Texts:
    """Documents in memory."""

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
    """A reranker without its fingerprint."""

    model: Reranker

    def predict(self, pairs: Pairs, /) -> ArrayLike:
        return self.model.predict(pairs)
