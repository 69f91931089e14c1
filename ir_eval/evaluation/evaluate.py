"""Measure a run against judgements with trec_eval's meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.table import Strings, as_strings, row_keys
from ir_eval.errors import InputError
from ir_eval.evaluation.measures import Judged, JudgedRun, Measure, parse_measure

_BITS = 22  # of a hash: few of 7 million documents coincide with one of 10,000 judged ones
_SHIFT = np.uint64(64 - _BITS)


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
    """Find the judged documents among the many of the run: by hash, then the few that may be some exactly."""
    positions = {query_id: position for position, query_id in enumerate(qrels)}
    judged = np.array([positions.get(query_id, -1) for query_id in run])  # each query of the run among the judged
    may_be = np.zeros(1 << _BITS, dtype=np.bool_)
    may_be[row_keys(qrels.codes, qrels.docs) >> _SHIFT] = True
    rows = np.flatnonzero(may_be[row_keys(judged[run.codes], run.docs) >> _SHIFT])
    owners = np.searchsorted(run.offsets, rows, side="right") - 1
    index = {pair: row for row, pair in enumerate(zip(qrels.codes.tolist(), qrels.doc_ids.tolist(), strict=True))}
    pairs = zip(judged[owners].tolist(), as_strings(run.docs[rows]).tolist(), strict=True)
    matches = np.array([index.get(pair, -1) for pair in pairs], dtype=np.int64)
    found = Judged(judged[owners], rows - run.offsets[owners], qrels.values[matches]).where(matches >= 0)
    retrieved = np.zeros(len(qrels), dtype=np.int64)
    retrieved[judged[judged >= 0]] = np.diff(run.offsets)[judged >= 0]
    return JudgedRun(Judged(qrels.codes, qrels.places, qrels.values), found, retrieved)
