"""Several runs into one: by reciprocal rank, or as a weighted sum of normalised scores.

The formulas are ranx's, and tested to give its numbers. They are computed here on columns: two runs of 6,980 × 1,000
take seconds where ranx first builds dictionaries, and ties, missing queries and the order of the input are settled as
they are for every `Run`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.table import Ids, arrange, as_strings, distinct, row_keys
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import Measure
from ir_eval.progress import progress_bar

METHODS = ("rrf", "sum")
_RRF_K = 60  # of the paper
_LEAST = 1e-9  # that ranx divides by

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Tuned:
    """Weights, and what they were tuned on, so that `fuse` can refuse to report on it.

    Attributes:
        weights: Of each run, in order; their sum is 1.
        queries: Their topics.
        score: The measure that the weights reach there.
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

    ``rrf``, reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), is the sum of 1 / (60 + rank). ``sum``
    is the weighted sum of scores, CombSUM (Fox and Shaw, TREC-2) if all weigh 1. A run that lacks a document or a query
    adds 0 there: the least score of ``min-max``, the mean of ``z-score``.

    Args:
        runs: At least two.
        method: ``rrf`` or ``sum``.
        normalisation: Of each query's scores before a sum: one of `NORMALISATIONS`, as ranx defines them; none if not
            given.
        weights: Of each run in a sum; all 1 if not given.
        name: Of the fused run.

    Raises:
        InputError: A method or normalisation that does not exist, or weights or a normalisation with ``rrf``; weights
            that are too few, too many, or not finite, or were tuned on a topic of these runs; fewer than two runs; a
            run that shares no query with another.
    """
    check_fusion(len(runs), method, normalisation=normalisation, weights=weights)
    factors = _factors(runs, weights)
    contributions = _rrf(runs) if method == "rrf" else _normalised(runs, normalisation)
    query_ids, position = distinct(np.concatenate([run.query_ids for run in runs]))
    positions = np.split(position, np.cumsum([len(run) for run in runs])[:-1])
    _check_shared(runs, positions)
    codes = np.concatenate([place[run.codes] for place, run in zip(positions, runs, strict=True)])
    one, row = _number(codes, docs := _docs(runs))
    addends = np.concatenate([factor * scores for factor, scores in zip(factors, contributions, strict=True)])
    with np.errstate(over="ignore"):
        fused = np.bincount(row, addends).astype(np.float32)
    if not np.isfinite(fused).all():
        raise InputError("a fused score is not a finite 32-bit number; expected smaller scores or weights; normalise")
    parts, _ = arrange(query_ids, codes[one], docs[one], fused)
    return Run(*parts, name=name)


def check_fusion(runs: int, method: str, *, normalisation: str | None, weights: Sequence[float] | Tuned | None) -> None:
    """Refuse what could fuse no runs.

    Args:
        runs: How many there are.
        method: As for `fuse`.
        normalisation: As for `fuse`.
        weights: As for `fuse`.

    Raises:
        InputError: As `fuse`.
    """
    if method not in METHODS:
        raise InputError(f"fusion {method!r}; expected {' or '.join(METHODS)}")
    if method == "rrf" and (normalisation or weights):
        raise InputError("rrf with weights or a normalisation; expected neither, as it looks only at ranks; use sum")
    if normalisation is not None and normalisation not in NORMALISATIONS:
        raise InputError(f"normalisation {normalisation!r}; expected one of {', '.join(NORMALISATIONS)}")
    if runs < 2:
        raise InputError(f"{runs} run to fuse; expected at least 2")
    given = weights.weights if isinstance(weights, Tuned) else weights
    if given is not None and (len(given) != runs or not np.isfinite(given).all()):
        raise InputError(f"weights {' '.join(map(str, given))}; expected {runs} finite numbers, one a run")


def tune(
    runs: Sequence[Run], qrels: Qrels, measure: str | Measure, *, normalisation: str | None = None, step: float = 0.1
) -> Tuned:
    """Find the weights of a sum that are best on development topics, among all with sum 1 in steps.

    Of equally good ones the most even are taken.

    Args:
        runs: Of the development topics, in the order of the runs to fuse later.
        qrels: The development judgements.
        measure: To maximise.
        normalisation: As for `fuse`.
        step: Between two weights.

    Raises:
        InputError: As `fuse` and `evaluate`; a step that does not divide 1.
    """
    steps = round(1 / step) if step > 0 else 0
    if not steps or abs(steps * step - 1) > _LEAST:
        raise InputError(f"step {step}; expected one that divides 1, such as 0.1")
    scores = {}
    grid = sorted(_grid(len(runs), steps), key=lambda weights: sum(weight**2 for weight in weights))
    with progress_bar() as bar:
        for weights in bar.track(grid, description="tuning"):
            fused = fuse(runs, "sum", normalisation=normalisation, weights=weights)
            (scores[weights],) = evaluate(qrels, fused, [measure]).means.values()
    best = max(grid, key=scores.__getitem__)
    return Tuned(best, frozenset(qrels), scores[best])


def _grid(runs: int, steps: int) -> Iterator[tuple[float, ...]]:
    """Yield all weights that are whole numbers of steps and sum to 1."""
    for counts in product(range(steps + 1), repeat=runs):
        if sum(counts) == steps:
            yield tuple(count / steps for count in counts)


def _factors(runs: Sequence[Run], weights: Sequence[float] | Tuned | None) -> Sequence[float]:
    if isinstance(weights, Tuned):
        seen = next((query for run in runs for query in run if query in weights.queries), None)
        if seen is not None:
            raise InputError(f"weights tuned on topic {seen!r}, which is fused too; expected development topics apart")
        weights = weights.weights
    return [1.0] * len(runs) if weights is None else weights


def _check_shared(runs: Sequence[Run], positions: Sequence[NDArray[np.int64]]) -> None:
    count = np.bincount(np.concatenate(positions))
    for run, position in zip(runs, positions, strict=True):
        if count[position].max() == 1:
            raise InputError(
                f"{run.name}: no other run has one of its queries, such as {next(iter(run))!r}; "
                "expected runs of the same topics; fuse those of one collection"
            )


def _docs(runs: Sequence[Run]) -> Ids:
    same = len({run.docs.dtype.kind for run in runs}) == 1
    return np.concatenate([run.docs if same else as_strings(run.docs) for run in runs])


def _number(codes: NDArray[np.int64], docs: Ids) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the different (query, document) rows: one row of each (G,), and the number of each row (N,)."""
    row = np.unique(row_keys(codes, docs), return_inverse=True)[1]
    one = _one_of_each(row)
    if np.any(codes[one][row] != codes) or np.any(docs[one][row] != docs):  # equal hashes of different rows
        row = np.unique(codes * len(docs) + distinct(docs)[1], return_inverse=True)[1]
        one = _one_of_each(row)
    return one, row


def _one_of_each(row: NDArray[np.int64]) -> NDArray[np.int64]:
    one = np.empty(row.max() + 1, dtype=np.int64)
    one[row] = np.arange(len(row))
    return one


def _rrf(runs: Sequence[Run]) -> Iterator[Scores]:
    return (1 / (_RRF_K + 1 + run.places) for run in runs)


def _normalised(runs: Sequence[Run], normalisation: str | None) -> list[Scores]:
    if normalisation is None:
        return [run.scores.astype(np.float64) for run in runs]
    normalise = NORMALISATIONS[normalisation]
    return [
        np.concatenate([normalise(scores[start:end]) for start, end in pairwise(run.offsets.tolist())])
        for run in runs
        for scores in [run.scores.astype(np.float64)]
    ]


def _over(scores: Scores, base: float, spread: float) -> Scores:
    return (scores - base) / max(spread, _LEAST)


NORMALISATIONS: dict[str, Callable[[Scores], Scores]] = {  # of the scores of one query, best first. (n,) → (n,)
    "min-max": lambda scores: _over(scores, scores[-1], scores[0] - scores[-1]),
    "max": lambda scores: _over(scores, 0, scores[0]),
    "sum": lambda scores: _over(scores, scores[-1], np.sum(scores - scores[-1])),
    "z-score": lambda scores: _over(scores, scores.mean(), scores.std()),
    "rank": lambda scores: 1 - np.arange(len(scores)) / len(scores),
}
