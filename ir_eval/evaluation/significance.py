"""Significance tests of two systems over the same queries, and corrections for multiple tests.

``differences`` are the scores of one system minus those of another, as `paired_differences` returns them (Q,). Tukey's
tests take the ``scores`` of all systems (S, Q) and ``differences`` of means, of any shape. ``draws`` is the number of
random draws, ``seed`` their seed. No result depends on the order of the queries.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir_eval.errors import MAX_SEED, InputError, check_count, check_kind, shown

Floats = NDArray[np.float64]

DRAWS = 10_000
_TOLERANCE = 1e-12  # rounding error between two sums of the same numbers in different orders
_NUMBERS_PER_CHUNK = 4_000_000  # random numbers in memory at once: 32 MB


def paired_differences(system: Floats, baseline: Floats) -> Floats:
    """Return ``system - baseline`` for each query, with rounding errors set to 0. (Q,), (Q,) → (Q,).

    Examples:
        >>> paired_differences(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.25])).tolist()
        [0.0, 0.25]
    """
    system, baseline = _finite("scores", system), _finite("scores", baseline)
    if system.shape != baseline.shape:
        raise InputError(f"scores of {len(system)} and {len(baseline)} queries; expected the same queries")
    differences = system - baseline
    return np.where(np.abs(differences) < _TOLERANCE, 0.0, differences)


def paired_t(differences: Floats) -> float | None:
    """Return the two-sided p-value of the paired t-test (Student 1908), by ``scipy.stats.ttest_1samp``.

    It is 1 if no query differs, and None if t is undefined: for one query, or if all differ by the same amount.

    Examples:
        >>> round(paired_t(np.array([0.1, 0.3, 0.2])), 3)
        0.074
    """
    differences = _finite("differences", differences)
    if not differences.any():
        return 1.0
    if _constant(differences):
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(np.sort(differences), 0.0).pvalue)


def randomization(differences: Floats, *, seed: int = 0, draws: int = DRAWS) -> float:
    """Return the two-sided p-value of the paired randomisation test (Fisher 1935; Smucker et al., CIKM 2007).

    If the systems were equal, the sign of each difference would be random. p is the share of all assignments of signs
    whose mean is at least as far from 0 as the observed mean. If there are more than ``draws`` assignments, p is
    estimated from random ones: (1 + number as far from 0) / (1 + draws) (Phipson and Smyth 2010).

    Examples:
        >>> randomization(np.array([0.1, 0.3, 0.2]))
        0.25
    """
    _check_draws(draws, seed)
    differences = np.sort(_finite("differences", differences))
    sizes = np.sort(np.abs(differences[differences != 0]))  # (n,); a difference of 0 has no sign
    observed = abs(differences.sum()) - _TOLERANCE * len(differences)
    exact = 2 ** len(sizes) <= draws
    signs = _all_signs(len(sizes)) if exact else _random_signs(len(sizes), seed, draws)
    as_far = sum(int(np.count_nonzero(np.abs(2 * (plus @ sizes) - sizes.sum()) >= observed)) for plus in signs)
    return as_far / 2 ** len(sizes) if exact else (1 + as_far) / (1 + draws)


def bootstrap_interval(
    differences: Floats, *, level: float = 0.95, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float] | None:
    """Return the BCa bootstrap confidence interval of the mean (Efron 1987), by ``scipy.stats.bootstrap``.

    Both ends are the mean if all differences are equal. The interval of one query is None.

    Examples:
        >>> bootstrap_interval(np.array([0.1, 0.1, 0.1]))
        (0.1, 0.1)
    """
    _check_draws(draws, seed)
    differences = _finite("differences", differences)
    if not isinstance(level, float) or not 0 < level < 1:
        raise InputError(f"level {shown(level)}; expected a number between 0 and 1, such as 0.95")
    if len(differences) < 2:
        return None
    if _constant(differences):
        return float(differences[0]), float(differences[0])
    from scipy.stats import bootstrap

    interval = bootstrap(
        (np.sort(differences),),
        np.mean,
        n_resamples=draws,
        batch=max(1, _NUMBERS_PER_CHUNK // len(differences)),
        confidence_level=level,
        method="BCa",
        rng=seed,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def effect_size(differences: Floats) -> float | None:
    """Return Cohen's d = mean(differences) / std(differences), with Q - 1 in the denominator of the variance.

    0.2 is small, 0.8 large (Cohen 1988). It is 0 if no query differs, and None if the deviation is 0 or undefined.

    Examples:
        >>> round(effect_size(np.array([0.1, 0.3, 0.2])), 6)
        2.0
    """
    differences = _finite("differences", differences)
    if not differences.any():
        return 0.0
    return None if _constant(differences) else float(np.mean(differences) / np.std(differences, ddof=1))


def correct(p_values: Sequence[float], correction: str) -> list[float]:
    """Correct the p-values of a family of tests, by ``statsmodels.stats.multitest``.

    ``bonferroni`` multiplies each p-value by their number. ``holm`` is Holm's step-down method (1979), which is as safe
    and never above Bonferroni's. ``none`` leaves them as they are.

    Examples:
        >>> correct([0.01, 0.04], "bonferroni"), correct([0.01, 0.04], "holm")
        ([0.02, 0.08], [0.02, 0.04])
    """
    if correction not in ("holm", "bonferroni", "none"):
        raise InputError(f"correction {shown(correction)}; expected holm, bonferroni or none")
    check_kind("p-values", p_values, list, tuple)
    if p_values and not 0 <= _finite("p-values", p_values).min() <= max(p_values) <= 1:
        raise InputError(f"p-values {shown(p_values)}; expected numbers from 0 to 1")
    if correction == "none" or not p_values:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method=correction)[1]]


def tukey_t(scores: Floats, differences: Floats) -> Floats | None:
    """Return p-values that hold for all pairs of systems at once: Tukey's HSD after a two-way analysis of variance.

    Systems and queries are the factors (Carterette, TOIS 2012). For two systems it is the paired t-test. It is None for
    one query, or if the systems differ by a constant.

    Examples:
        >>> scores = np.array([[0.1, 0.5, 0.3], [0.2, 0.8, 0.5]])
        >>> tukey_t(scores, np.array([0.2])).round(3)
        array([0.074])
    """
    from scipy.stats import studentized_range

    scores, differences = _finite("scores", scores, 2), _finite("differences", differences, None)
    systems, queries = scores.shape
    scores = scores[:, np.lexsort(np.sort(scores, axis=0))]
    centred = scores - scores.mean(axis=0)
    residuals = centred - centred.mean(axis=1, keepdims=True)
    if queries < 2 or np.abs(residuals).max() < _TOLERANCE:
        return None if np.any(np.abs(differences) >= _TOLERANCE) else np.ones(differences.shape)
    freedom = (systems - 1) * (queries - 1)
    error = np.sqrt((residuals**2).sum() / freedom / queries)
    p_values = studentized_range.sf(np.abs(differences) / error, systems, freedom)
    return np.asarray(p_values, dtype=np.float64).clip(0.0, 1.0)


def tukey_randomization(scores: Floats, differences: Floats, *, seed: int = 0, draws: int = DRAWS) -> Floats:
    """Return p-values that hold for all pairs of systems at once: the randomised Tukey HSD (Carterette, TOIS 2012).

    If the systems were equal, the scores of a query could be permuted between them. p is the share of random
    permutations, the observed one included, whose best and worst mean are at least as far apart as the difference.

    Examples:
        >>> scores = np.array([[0.1, 0.5, 0.3], [0.2, 0.8, 0.5]])
        >>> tukey_randomization(scores, np.array([0.2]), draws=999).round(1)
        array([0.3])
    """
    _check_draws(draws, seed)
    scores, differences = _finite("scores", scores, 2), _finite("differences", differences, None)
    queries = scores.shape[1]
    ordered = np.sort(scores.T, axis=1)  # (Q, S); the order of systems and queries must not matter
    ordered = ordered[np.lexsort(ordered.T)]
    ordered = ordered[np.ptp(ordered, axis=1) >= _TOLERANCE]  # permuting equal scores changes nothing
    rng = np.random.default_rng(seed)
    ranges = np.zeros(draws)
    for chunk in _chunks(draws, ordered.size):
        shuffled = rng.permuted(np.broadcast_to(ordered, (chunk.stop - chunk.start, *ordered.shape)), axis=2)
        ranges[chunk] = np.ptp(shuffled.sum(axis=1), axis=1) / queries
    as_far = draws - np.searchsorted(np.sort(ranges), np.abs(differences) - _TOLERANCE)
    return np.asarray((1 + as_far) / (1 + draws), dtype=np.float64)


def _finite(name: str, values: object, dimensions: int | None = 1) -> Floats:
    """Return values as an array, or raise InputError if they are not finite numbers of so many dimensions."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.array(None)
    right = array.dtype.kind in "iuf" and array.size > 0 and dimensions in (None, array.ndim)
    if not right or not np.isfinite(array).all():
        raise InputError(f"{name} {shown(values)}; expected finite numbers, one for each query")
    return array.astype(np.float64, copy=False)


def _check_draws(draws: int, seed: int) -> None:
    check_count("draws", draws, most=10**9)
    check_count("seed", seed, least=0, most=MAX_SEED)


def _constant(differences: Floats) -> bool:
    return len(differences) < 2 or bool(np.ptp(differences) < _TOLERANCE)


def _all_signs(count: int) -> Iterator[NDArray[Any]]:
    yield (np.arange(2**count)[:, np.newaxis] >> np.arange(count)) & 1  # (2^n, n), 1 for plus


def _random_signs(count: int, seed: int, draws: int) -> Iterator[NDArray[Any]]:
    rng = np.random.default_rng(seed)
    for chunk in _chunks(draws, count):
        octets = rng.integers(256, size=(chunk.stop - chunk.start, -(-count // 8)), dtype=np.uint8)
        yield np.unpackbits(octets, axis=1, count=count)  # (chunk, n), 1 for plus


def _chunks(draws: int, size: int) -> Iterator[slice]:
    """Yield slices of the draws, so that a slice of draws of ``size`` numbers each fits into memory."""
    step = max(1, _NUMBERS_PER_CHUNK // max(1, size))
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))
