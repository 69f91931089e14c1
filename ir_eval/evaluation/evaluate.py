"""Measuring a run against judgements, with trec_eval's meaning, and its share of unjudged documents ("holes")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.table import Strings, as_strings, row_keys
from ir_eval.errors import InputError, check_kind, shown
from ir_eval.evaluation.measures import Judged, JudgedRun, Measure, parse_measure

_HASH_BITS = 22  # enough that few of 7 million documents share their bits with one of 10,000 judged documents
_HASH_SHIFT = np.uint64(64 - _HASH_BITS)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a run, query by query.

    Attributes:
        query_ids: All judged queries, sorted by code point. (Q,)
        per_query: Spelling of each measure, in the given order, to the score of each query. (Q,)
        answered: Number of judged queries that the run has documents for, if known.
        ignored: Number of queries of the run that have no judgement.

    Examples:
        >>> evaluation = evaluate(Qrels.read("qrels.txt"), Run.read("bm25.trec"), ["mrr"])
        >>> evaluation.query_ids.tolist(), evaluation.per_query["mrr"].tolist()
        (['q1', 'q2'], [0.5, 0.0])
    """

    query_ids: Strings
    per_query: dict[str, NDArray[np.float64]]
    answered: int | None = None
    ignored: int = 0

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over all judged queries."""
        return {measure: float(scores.mean()) for measure, scores in self.per_query.items()}

    @property
    def gap(self) -> str:
        """Say how many judged queries the run answers if it does not answer all; else an empty text."""
        queries = len(self.query_ids)
        complete = self.answered in (None, queries)
        return "" if complete else f"answers {self.answered} of {queries} judged queries; the others count 0"

    @property
    def notes(self) -> list[str]:
        """One line if the run misses judged queries, and one if it has queries that are not judged."""
        unjudged = f"{self.ignored} of its queries have no judgement and are ignored" if self.ignored else ""
        return list(filter(None, (self.gap, unjudged)))


def evaluate(qrels: Qrels, run: Run, measures: Sequence[str | Measure]) -> Evaluation:
    """Measure a run as ``trec_eval -c`` does.

    Means are over all judged queries: a query that is missing from the run, or has no relevant document, scores 0.
    Queries without judgements are ignored. Documents that are unjudged or have a negative relevance are not relevant.

    Args:
        qrels: Judgements.
        run: Rankings; at least one query is judged.
        measures: Measures such as ``"ndcg@10"``; see `ir_eval.evaluation.measures`.

    Examples:
        >>> evaluate(Qrels.read("qrels.txt"), Run.read("reranked.trec"), ["ndcg@10", "mrr"]).means
        {'ndcg@10': 1.0, 'mrr': 1.0}
    """
    parsed = _parse_all(measures)
    check_kind("qrels", qrels, Qrels)
    check_kind("run", run, Run)
    answered = sum(query_id in run for query_id in qrels)
    if not answered:
        raise InputError(
            f"{run.name}: no judged query is in the run, which has queries like {next(iter(run))!r}; "
            f"expected queries like {next(iter(qrels))!r}, as judged; use the run and the judgements of one collection"
        )
    judged_run = _join(qrels, run)
    found = {str(measure): judged_run.compute(measure) for measure in parsed}
    return Evaluation(qrels.query_ids, found, answered, len(run) - answered)


def hole_rates(qrels: Qrels, run: Run, measures: Sequence[str | Measure]) -> dict[str, float]:
    """Return ``holes@k``, the share of unjudged documents in the top k, for each cutoff k of the measures.

    It is 1 - ``judged@k``, averaged over the judged queries that the run answers. A measure without a cutoff stands for
    k = 10.

    Examples:
        >>> hole_rates(Qrels.read("qrels.txt"), Run.read("bm25.trec"), ["ndcg@10"])
        {'holes@10': 0.25}
    """
    judged = {holes_name(measure): Measure("judged", measure.cutoff or 10) for measure in _parse_all(measures)}
    shares = evaluate(qrels, run, list(judged.values())).per_query
    answered = np.array([query_id in run for query_id in qrels])
    return {name: 1 - float(shares[str(measure)][answered].mean()) for name, measure in judged.items()}


def holes_name(measure: Measure) -> str:
    """Return the name of the hole rate with a measure's cutoff.

    Examples:
        >>> holes_name(Measure("ndcg", 5)), holes_name(Measure("map"))
        ('holes@5', 'holes@10')
    """
    return f"holes@{measure.cutoff or 10}"


def _parse_all(measures: Sequence[str | Measure]) -> list[Measure]:
    if isinstance(measures, str | Measure) or not isinstance(measures, Sequence) or not measures:
        raise InputError(f"measures {shown(measures)}; expected a list such as ['ndcg@10']")
    return [measure if isinstance(measure, Measure) else parse_measure(measure) for measure in measures]


def _join(qrels: Qrels, run: Run) -> JudgedRun:
    """Find the judged documents in the run: by hash among all documents, then by id among the few that match."""
    positions = {query_id: position for position, query_id in enumerate(qrels)}
    judged = np.array([positions.get(query_id, -1) for query_id in run])  # position in qrels of each query of the run
    may_be_judged = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
    may_be_judged[row_keys(qrels.codes, qrels.docs) >> _HASH_SHIFT] = True
    rows = np.flatnonzero(may_be_judged[row_keys(judged[run.codes], run.docs) >> _HASH_SHIFT])
    owners = np.searchsorted(run.offsets, rows, side="right") - 1
    index = {pair: row for row, pair in enumerate(zip(qrels.codes.tolist(), qrels.doc_ids.tolist(), strict=True))}
    pairs = zip(judged[owners].tolist(), as_strings(run.docs[rows]).tolist(), strict=True)
    matches = np.array([index.get(pair, -1) for pair in pairs], dtype=np.int64)
    found = Judged(judged[owners], rows - run.offsets[owners], qrels.values[matches]).where(matches >= 0)
    retrieved = np.zeros(len(qrels), dtype=np.int64)
    retrieved[judged[judged >= 0]] = np.diff(run.offsets)[judged >= 0]
    return JudgedRun(Judged(qrels.codes, qrels.places, qrels.values), found, retrieved)
