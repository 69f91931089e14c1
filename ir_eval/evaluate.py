"""Measure a run against judgements with trec_eval's meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ir_eval.errors import InputError
from ir_eval.measures import JudgedRun, Measure, parse_measure
from ir_eval.qrels import Qrels
from ir_eval.run import Run
from ir_eval.table import Strings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        query_ids: Every judged query, sorted by code point. (Q,)
        per_query: Measure, as spelled by `Measure`, to the score of each query, in the order asked for, each (Q,).
    """

    query_ids: Strings
    per_query: dict[str, NDArray[np.float64]]

    @property
    def means(self) -> dict[str, float]:
        """Each measure averaged over all judged queries."""
        return {measure: float(scores.mean()) for measure, scores in self.per_query.items()}


def evaluate(qrels: Qrels, run: Run, measures: Sequence[str | Measure]) -> Evaluation:
    """Measure a run as ``trec_eval -c`` does.

    The average is over all judged queries: one that is missing from the run counts 0, and so does one without any
    relevant document; queries of the run that are not judged are left out. A document that is not judged, or judged
    below 0, is not relevant.

    Args:
        qrels: The judgements.
        run: The rankings.
        measures: Such as ``"ndcg@10"``; see `parse_measure`.

    Raises:
        InputError: A measure that does not exist; no judged query in the run.
    """
    parsed = [parse_measure(measure) if isinstance(measure, str) else measure for measure in measures]
    if not any(query_id in run for query_id in qrels):
        raise InputError(
            f"{run.name}: no judged query is in the run, which has queries like {next(iter(run))!r}; "
            f"expected queries like {next(iter(qrels))!r}, as judged; use the run and the judgements of one collection"
        )
    judged_run = _join(qrels, run)
    return Evaluation(qrels.query_ids, {str(measure): judged_run.compute(measure) for measure in parsed})


def _join(qrels: Qrels, run: Run) -> JudgedRun:
    relevance, ranking = [], []
    for query_id in qrels:
        judgements = qrels[query_id]
        index = {doc_id: position for position, doc_id in enumerate(judgements)}
        retrieved = run[query_id][0].tolist() if query_id in run else []
        relevance.append(np.fromiter(judgements.values(), dtype=np.int64))
        ranking.append(np.array([index.get(doc_id, len(index)) for doc_id in retrieved], dtype=np.int64))
    return JudgedRun(relevance, ranking)
