"""Fuse several runs into one, by reciprocal rank or by a weighted sum of normalised scores.

The formulas are those of ranx (Bassani & Romelli, CIKM 2022); the tests compare the numbers. The computation is on
columns: fusing two runs of 6,980 queries x 1,000 documents takes seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.table import Ids, arrange, as_strings, distinct, row_keys
from ir_eval.errors import InputError, check_kind, shorten, shown
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import Measure, parse_measure
from ir_eval.progress import progress_bar

METHODS = ("rrf", "sum")
RRF_K = 60  # the constant of Cormack, Clarke and Büttcher
MAX_GRID = 10_000_000  # points of a grid of weights, before those that do not sum to 1 are left out
EPSILON = 1e-9  # the smallest divisor of a normalisation, as in ranx

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Tuned:
    """Tuned weights together with the development topics, so that `fuse` can refuse to apply them to these topics.

    Attributes:
        weights: Weight of each run, in the order of the runs; the sum is 1.
        queries: Ids of the development topics.
        score: Value of the measure on the development topics.

    Examples:
        >>> dev = Tuned(weights=(0.3, 0.7), queries=frozenset({"q1"}), score=0.61)
        >>> fuse([Run.read("bm25.trec"), Run.read("reranked.trec")], "sum", weights=dev)
        Traceback (most recent call last):
        ir_eval.errors.InputError: weights tuned on topic 'q1', which is also fused; expected other topics for tuning
    """

    weights: tuple[float, ...]
    queries: frozenset[str]
    score: float


def fuse(
    runs: Sequence[Run],
    method: str = "rrf",
    *,
    normalisation: str | None = None,
    weights: Sequence[float] | Tuned | None = None,
    name: str = "fused",
) -> Run:
    """Fuse runs of the same topics.

    Methods, for document d of one query:

    - ``rrf``, reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): sum over runs of 1 / (60 + rank(d)).
    - ``sum``: sum over runs of weight · normalised score(d); CombSUM (Fox and Shaw, TREC-2) if all weights are 1.

    A run that lacks a document or a query adds 0, which is the lowest score after ``min-max`` and the mean after
    ``z-score``.

    Normalisations, over the n scores s of one query in one run, as in ranx:

    - ``min-max``: (s - min) / (max - min)
    - ``max``: s / max
    - ``sum``: (s - min) / sum of all (s - min)
    - ``z-score``: (s - mean) / standard deviation
    - ``rank``: 1 - (rank - 1) / n

    Args:
        runs: Two or more runs.
        method: ``rrf`` or ``sum``.
        normalisation: Normalisation of the scores before a sum; None for raw scores.
        weights: Weight of each run in a sum; 1 each if None.
        name: Name of the fused run.

    Raises:
        InputError: The method or the normalisation does not exist; ``rrf`` has weights or a normalisation; the weights
            are not one finite number per run, or were tuned on a topic of these runs; there are fewer than two runs; a
            run shares no query with any other run; a fused score overflows float32.

    Examples:
        >>> fused = fuse([Run.read("bm25.trec"), Run.read("reranked.trec")])
        >>> fused["q2"][0].tolist()
        ['d4', 'd3']
    """
    check_kind("runs", runs, list, tuple)
    for run in runs:
        check_kind("run", run, Run)
    check_kind("name", name, str)
    check_fusion(len(runs), method, normalisation=normalisation, weights=weights)
    factors = _factors(runs, weights)
    by_rank = [1 / (RRF_K + 1 + run.places) for run in runs]
    contributions = by_rank if method == "rrf" else _normalised(runs, normalisation)
    query_ids, position = distinct(np.concatenate([run.query_ids for run in runs]))
    positions = np.split(position, np.cumsum([len(run) for run in runs])[:-1])
    _check_shared(runs, positions)
    codes = np.concatenate([place[run.codes] for place, run in zip(positions, runs, strict=True)])
    same_type = len({run.docs.dtype.kind for run in runs}) == 1  # all bytes, or all strings
    docs = np.concatenate([run.docs if same_type else as_strings(run.docs) for run in runs])
    first, group = _group(codes, docs)
    addends = np.concatenate([factor * scores for factor, scores in zip(factors, contributions, strict=True)])
    with np.errstate(over="ignore"):
        fused = np.bincount(group, addends).astype(np.float32)
    if not np.isfinite(fused).all():
        raise InputError("a fused score is not a finite 32-bit number; expected smaller scores or weights; normalise")
    parts, _ = arrange(query_ids, codes[first], docs[first], fused)
    return Run(*parts, name=name)


def check_fusion(runs: int, method: str, *, normalisation: str | None, weights: Sequence[float] | Tuned | None) -> None:
    """Raise the InputError that `fuse` would raise for these options, before the runs exist; ``runs`` is their number.

    Examples:
        >>> check_fusion(2, "mean", normalisation=None, weights=None)
        Traceback (most recent call last):
        ir_eval.errors.InputError: fusion 'mean'; expected rrf or sum
    """
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"fusion {shown(method)}; expected {' or '.join(METHODS)}")
    given = weights.weights if isinstance(weights, Tuned) else weights
    if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
        raise InputError(f"weights {shown(given)}; expected a list of {runs} numbers")
    if method == "rrf" and (normalisation or given):
        raise InputError("rrf with weights or a normalisation; expected neither, as it looks only at ranks; use sum")
    if normalisation is not None and (not isinstance(normalisation, str) or normalisation not in NORMALISATIONS):
        raise InputError(f"normalisation {shown(normalisation)}; expected one of {', '.join(NORMALISATIONS)}")
    if runs < 2:
        raise InputError(f"{runs} runs to fuse; expected at least 2")
    if given is not None and not (len(given) == runs and all(map(_is_finite, given))):
        raise InputError(f"weights {shorten(' '.join(map(shown, given)))}; expected {runs} finite numbers, one per run")


def _is_finite(weight: object) -> bool:
    try:
        return isinstance(weight, Real) and not isinstance(weight, bool) and bool(np.isfinite(float(weight)))
    except OverflowError:  # an integer of 400 digits
        return False


def tune(
    runs: Sequence[Run], qrels: Qrels, measure: str | Measure, *, normalisation: str | None = None, step: float = 0.1
) -> Tuned:
    """Find the weights of a sum that maximise a measure on development topics, by grid search.

    The grid holds all weights that are multiples of ``step`` and sum to 1. If several of them reach the maximum, the
    most even weights win (least sum of squares).

    Args:
        runs: Runs of the development topics, in the order of the runs to fuse later.
        qrels: Judgements of the development topics.
        measure: Measure to maximise.
        normalisation: As for `fuse`.
        step: Distance between two weights; it must divide 1.

    Raises:
        InputError: As for `fuse` and `evaluate`, or the step does not divide 1.

    Examples:
        >>> qrels, runs = Qrels.read("qrels.txt"), [Run.read("bm25.trec"), Run.read("reranked.trec")]
        >>> tune(runs, qrels, "mrr@10", normalisation="min-max", step=0.25).weights
        (0.25, 0.75)
    """
    check_kind("runs", runs, list, tuple)
    check_kind("qrels", qrels, Qrels)
    steps = check_tuning(len(runs), measure, normalisation=normalisation, step=step)
    scores = {}
    multiples = [counts for counts in product(range(steps + 1), repeat=len(runs)) if sum(counts) == steps]
    grid = [tuple(count / steps for count in counts) for counts in multiples]
    grid.sort(key=lambda weights: sum(weight**2 for weight in weights))
    with progress_bar() as bar:
        for weights in bar.track(grid, description="tuning"):
            fused = fuse(runs, "sum", normalisation=normalisation, weights=weights)
            (scores[weights],) = evaluate(qrels, fused, [measure]).means.values()
    best = max(grid, key=scores.__getitem__)
    return Tuned(best, frozenset(qrels), scores[best])


def check_tuning(runs: int, measure: str | Measure, *, normalisation: str | None = None, step: float = 0.1) -> int:
    """Raise the InputError that `tune` would raise for these options; return the number of steps from 0 to 1.

    Examples:
        >>> check_tuning(2, "ndcg@10", step=0.25)
        4
    """
    check_fusion(runs, "sum", normalisation=normalisation, weights=None)
    if not isinstance(measure, Measure):
        parse_measure(measure)
    steps = round(1 / step) if _is_finite(step) and step > EPSILON else 0
    if not steps or abs(steps * step - 1) > EPSILON:
        raise InputError(f"step {shown(step)}; expected a step that divides 1, such as 0.1")
    if (steps + 1) ** runs > MAX_GRID:
        raise InputError(f"step {step} for {runs} runs; expected at most {MAX_GRID:,} points; give a larger step")
    return steps


def _factors(runs: Sequence[Run], weights: Sequence[float] | Tuned | None) -> Sequence[float]:
    if isinstance(weights, Tuned):
        seen = next((query for run in runs for query in run if query in weights.queries), None)
        if seen is not None:
            raise InputError(f"weights tuned on topic {seen!r}, which is also fused; expected other topics for tuning")
        weights = weights.weights
    return [1.0] * len(runs) if weights is None else weights


def _check_shared(runs: Sequence[Run], positions: Sequence[NDArray[np.int64]]) -> None:
    count = np.bincount(np.concatenate(positions))
    for run, position in zip(runs, positions, strict=True):
        if count[position].max() == 1:
            raise InputError(
                f"{run.name}: no other run has one of its queries, such as {next(iter(run))!r}; "
                "expected runs of the same topics; fuse runs of one collection"
            )


def _group(codes: NDArray[np.int64], docs: Ids) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group the rows by (query, document): return one row of each group, (G,), and the group of each row, (N,)."""
    _, first, group = np.unique(row_keys(codes, docs), return_index=True, return_inverse=True)
    if np.any(codes[first][group] != codes) or np.any(docs[first][group] != docs):  # different rows with equal hashes
        pairs = codes * len(docs) + distinct(docs)[1]
        _, first, group = np.unique(pairs, return_index=True, return_inverse=True)
    return first, group


def _normalised(runs: Sequence[Run], normalisation: str | None) -> list[Scores]:
    if normalisation is None:
        return [run.scores.astype(np.float64) for run in runs]
    normalise = NORMALISATIONS[normalisation]
    by_query = [np.split(run.scores.astype(np.float64), run.offsets[1:-1]) for run in runs]
    return [np.concatenate([normalise(scores) for scores in queries]) for queries in by_query]


def _over(scores: Scores, base: float, spread: float) -> Scores:
    return (scores - base) / max(spread, EPSILON)


NORMALISATIONS: dict[str, Callable[[Scores], Scores]] = {  # scores of one query, the best first: (n,) -> (n,)
    "min-max": lambda scores: _over(scores, scores[-1], scores[0] - scores[-1]),
    "max": lambda scores: _over(scores, 0, scores[0]),
    "sum": lambda scores: _over(scores, scores[-1], np.sum(scores - scores[-1])),
    "z-score": lambda scores: _over(scores, scores.mean(), scores.std()),
    "rank": lambda scores: 1 - np.arange(len(scores)) / len(scores),
}
