"""Is a difference between two systems more than chance? Tests over the same queries, and corrections for many tests.

``differences`` are always one system's scores less the other's, query by query, as `paired_differences` gives them.
No result depends on the order of the queries, and what is drawn at random is drawn from a seed.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 10_000
_EQUAL = 1e-12  # the same score summed in another order differs by less
_CHUNK = 4_000_000  # numbers drawn at once: 32 MB


class Tally(NamedTuple):
    """On how many queries a system is better, equal and worse."""

    wins: int
    ties: int
    losses: int


def paired_differences(system: Floats, baseline: Floats) -> Floats:
    """Subtract the baseline's score of each query; what is rounding becomes 0. (Q,), (Q,) → (Q,)."""
    differences = system - baseline
    return np.where(np.abs(differences) < _EQUAL, 0.0, differences)


def paired_t(differences: Floats) -> float | None:
    """Return the two-sided p of the paired t-test (Student 1908), as ``scipy.stats.ttest_rel``.

    Returns:
        1 if no query differs; None where t is undefined: one query, or the same difference on all.
    """
    if not differences.any():
        return 1.0
    if _constant(differences):
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(np.sort(differences), 0.0).pvalue)


def randomization(differences: Floats, *, seed: int = 0, draws: int = DRAWS) -> float:
    """Return the two-sided p of the paired randomisation test (Fisher 1935; Smucker et al., CIKM 2007).

    If the two systems were one, the sign of each difference would be chance. p is the share of all signs that give a
    mean as far from 0 as the one seen. Where there are more than ``draws`` ways to choose them, as many are drawn at
    random, and the one seen counts among them: (1 + as far) / (1 + draws) (Phipson and Smyth 2010).

    Args:
        differences: (Q,)
        seed: Of the draws.
        draws: How many signs are drawn, or at most enumerated.
    """
    differences = np.sort(differences)
    sizes = np.sort(np.abs(differences[differences != 0]))  # (n,); a difference of 0 has no sign
    seen = abs(differences.sum()) - _EQUAL * len(differences)
    exact = 2 ** len(sizes) <= draws
    signs = _every_sign(len(sizes)) if exact else _random_signs(len(sizes), seed, draws)
    as_far = sum(int(np.count_nonzero(np.abs(2 * (plus @ sizes) - sizes.sum()) >= seen)) for plus in signs)
    return as_far / 2 ** len(sizes) if exact else (1 + as_far) / (1 + draws)


def bootstrap_interval(
    differences: Floats, *, level: float = 0.95, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float] | None:
    """Return the BCa bootstrap confidence interval of the mean difference (Efron 1987), by ``scipy.stats.bootstrap``.

    Args:
        differences: (Q,)
        level: Of confidence.
        seed: Of the draws.
        draws: How many times the queries are resampled.

    Returns:
        None for one query, which tells nothing of others; the mean twice if all differences are the same.
    """
    if len(differences) < 2:
        return None
    if _constant(differences):
        return float(differences[0]), float(differences[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.sort(differences),),
        np.mean,
        n_resamples=draws,
        batch=max(1, _CHUNK // len(differences)),
        confidence_level=level,
        method="BCa",
        rng=seed,
    ).confidence_interval
    return float(found.low), float(found.high)


def effect_size(differences: Floats) -> float | None:
    """Return Cohen's d of paired samples: mean difference / standard deviation of the differences (Q - 1 below).

    Returns:
        0 if no query differs; None where the deviation is 0 or undefined. By Cohen (1988) .2 is small, .8 large.
    """
    if not differences.any():
        return 0.0
    return None if _constant(differences) else float(np.mean(differences) / np.std(differences, ddof=1))


def tally(differences: Floats) -> Tally:
    """Count wins, ties and losses."""
    wins, losses = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
    return Tally(wins, len(differences) - wins - losses, losses)


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """Correct a family of p-values: each times how many there are, at most 1."""
    return [min(1.0, p * len(p_values)) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct a family of p-values by Holm's step-down method (1979): never above Bonferroni's, as safe."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return [float(p) for p in corrected]


def tukey_t(scores: Floats, differences: Floats) -> Floats | None:
    """Return p-values that hold for all pairs of systems at once: Tukey's HSD after a two-way analysis of variance.

    As in Carterette (TOIS 2012), systems and queries are the factors; for two systems it is the paired t-test.

    Args:
        scores: Of all systems of the family. (S, Q)
        differences: Mean differences between two of them, of any shape.

    Returns:
        p of each difference; None for one query, or where queries leave no variance.
    """
    from scipy.stats import studentized_range

    systems, queries = scores.shape
    scores = scores[:, np.lexsort(np.sort(scores, axis=0))]
    centred = scores - scores.mean(axis=0)
    residuals = centred - centred.mean(axis=1, keepdims=True)
    if queries < 2 or np.abs(residuals).max() < _EQUAL:
        return None if np.any(np.abs(differences) >= _EQUAL) else np.ones(differences.shape)
    freedom = (systems - 1) * (queries - 1)
    error = np.sqrt((residuals**2).sum() / freedom / queries)
    p_values = studentized_range.sf(np.abs(differences) / error, systems, freedom)
    return np.asarray(p_values, dtype=np.float64).clip(0.0, 1.0)


def tukey_randomization(scores: Floats, differences: Floats, *, seed: int = 0, draws: int = DRAWS) -> Floats:
    """Return p-values that hold for all pairs of systems at once: the randomised Tukey HSD (Carterette, TOIS 2012).

    If all systems were one, whose score is whose would be chance on each query. p is the share of such
    rearrangements in which best and worst mean lie as far apart as the two that are compared, the one seen included.

    Args:
        scores: Of all systems of the family. (S, Q)
        differences: Mean differences between two of them, of any shape.
        seed: Of the rearrangements.
        draws: How many rearrangements.
    """
    queries = scores.shape[1]
    ordered = np.sort(scores.T, axis=1)  # (Q, S); neither the order of systems nor that of queries may matter
    ordered = ordered[np.lexsort(ordered.T)]
    ordered = ordered[np.ptp(ordered, axis=1) >= _EQUAL]  # where all are equal, nothing can be rearranged
    rng = np.random.default_rng(seed)
    ranges = np.zeros(draws)
    for chunk in _chunks(draws, ordered.size):
        shuffled = rng.permuted(np.broadcast_to(ordered, (chunk.stop - chunk.start, *ordered.shape)), axis=2)
        ranges[chunk] = np.ptp(shuffled.sum(axis=1), axis=1) / queries
    as_far = draws - np.searchsorted(np.sort(ranges), np.abs(differences) - _EQUAL)
    return np.asarray((1 + as_far) / (1 + draws), dtype=np.float64)


def _constant(differences: Floats) -> bool:
    return len(differences) < 2 or bool(np.ptp(differences) < _EQUAL)


def _every_sign(count: int) -> Iterator[NDArray[Any]]:
    yield (np.arange(2**count)[:, np.newaxis] >> np.arange(count)) & 1  # (2^n, n)


def _random_signs(count: int, seed: int, draws: int) -> Iterator[NDArray[Any]]:
    rng = np.random.default_rng(seed)
    for chunk in _chunks(draws, count):
        octets = rng.integers(256, size=(chunk.stop - chunk.start, -(-count // 8)), dtype=np.uint8)
        yield np.unpackbits(octets, axis=1, count=count)  # (chunk, n)


def _chunks(draws: int, size: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(1, size))
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))
