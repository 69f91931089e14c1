"""significance: equality with scipy and with enumeration, and undefined results."""

import tracemalloc
from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from ir_eval.evaluation.compare import _tally
from ir_eval.evaluation.significance import (
    bootstrap_interval,
    correct,
    effect_size,
    paired_differences,
    paired_t,
    randomization,
    tukey_randomization,
    tukey_t,
)

Floats = NDArray[np.float64]


def scores(seed: int, systems: int, queries: int) -> Floats:
    """Draw scores in steps of 0.05, which tie between systems as real measures do."""
    rng = np.random.default_rng(seed)
    difficulty = rng.uniform(0.1, 0.8, queries)
    return np.round((difficulty + rng.normal(0, 0.1, (systems, queries))).clip(0, 1) * 20) / 20


def drawn(seed: int, queries: int) -> Floats:
    """Draw differences between two systems."""
    first, second = scores(seed, 2, queries)
    return paired_differences(first, second)


def enumerated(differences: Floats) -> float:
    """Compute the randomisation test by its definition."""
    seen = abs(sum(differences.tolist()))
    signed = [
        abs(sum(sign * size for sign, size in zip(signs, differences.tolist(), strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(value >= seen - 1e-9 for value in signed) / len(signed)


@pytest.mark.parametrize("queries", [2, 5, 43, 500])
def test_t_is_scipys_paired_t(queries: int) -> None:
    """The p-value is that of ``scipy.stats.ttest_rel`` on the scores."""
    first, second = scores(queries, 2, queries)
    truth = float(stats.ttest_rel(first, second).pvalue)
    assert paired_t(paired_differences(first, second)) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_few_queries_are_enumerated(seed: int) -> None:
    """All signs are enumerated, as by definition and by scipy; ties and zeros are included."""
    differences = drawn(seed, 3 + seed)
    exact = enumerated(differences)
    scipys = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert randomization(differences) == pytest.approx(exact, abs=1e-12)
    assert randomization(differences) == pytest.approx(scipys, abs=1e-12)


def test_many_queries_are_drawn() -> None:
    """The estimate is near the exact p-value, depends on the seed, and is never 0."""
    differences = np.random.default_rng(3).normal(0.1, 0.2, 16)
    exact = randomization(differences, draws=2**16)
    assert exact == pytest.approx(enumerated(differences), abs=1e-12)
    found = [randomization(differences, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert found == pytest.approx([exact] * 3, abs=5 * np.sqrt(exact * (1 - exact) / 10_000))
    assert randomization(np.full(43, 0.5)) == 1 / 10_001


def test_the_size_of_msmarco_dev_fits_in_memory() -> None:
    """6,980 queries × 10,000 signs, 0.5 GB as floats, are processed in chunks; the t-test agrees."""
    differences = np.random.default_rng(0).normal(0.005, 0.3, 6980)
    tracemalloc.start()
    found = randomization(differences)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(paired_t(differences), abs=0.02)
    assert peak < 100e6


RESULTS: dict[str, Callable[[Floats], object]] = {
    "t": paired_t,
    "randomization": randomization,
    "bootstrap": bootstrap_interval,
    "tally": _tally,
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_the_order_of_queries_does_not_matter(result: Callable[[Floats], object]) -> None:
    """Results are equal to the last digit, although 43 queries are too many to enumerate."""
    differences = drawn(1, 43)
    assert result(differences) == result(differences[::-1]) == result(np.roll(differences, 7))


@pytest.mark.parametrize("test", [paired_t, randomization])
def test_both_sides_are_alike(test: Callable[[Floats], float]) -> None:
    """Swapping the systems does not change p."""
    differences = drawn(2, 43)
    assert test(differences) == pytest.approx(test(-differences), rel=1e-12)


def test_nothing_differs() -> None:
    """Without differences p is 1 and the effect size 0; rounding errors are not differences."""
    for queries in (1, 2, 43):
        zeros = np.zeros(queries)
        assert (paired_t(zeros), randomization(zeros), effect_size(zeros)) == (1.0, 1.0, 0.0)
        assert _tally(zeros) == (0, queries, 0)
    assert bootstrap_interval(np.zeros(43)) == (0.0, 0.0)
    third = np.full(4, 0.1 + 0.2)
    assert _tally(paired_differences(third, np.full(4, 0.3))) == (0, 4, 0)


def test_one_query_tells_nothing() -> None:
    """t, the interval and the effect size are undefined; both signs are equally far from 0, so p is 1."""
    one = np.array([0.5])
    assert (paired_t(one), bootstrap_interval(one), effect_size(one)) == (None, None, None)
    assert randomization(one) == 1.0
    assert _tally(one) == (1, 0, 0)


def test_the_same_difference_everywhere_has_no_t() -> None:
    """The t-test needs variance; the randomisation test does not."""
    same = paired_differences(np.array([0.3, 0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.4, 0.5]))
    assert (paired_t(same), effect_size(same)) == (None, None)
    assert randomization(same) == 2 / 2**4
    assert bootstrap_interval(same) == pytest.approx((0.1, 0.1))


def test_bootstrap_interval() -> None:
    """The interval is near the normal one on normal data, wider at a higher level, and depends on the seed."""
    normal = np.random.default_rng(5).normal(0.1, 0.2, 400)
    margin = 1.96 * normal.std(ddof=1) / np.sqrt(400)
    found = bootstrap_interval(normal)
    assert found == pytest.approx((normal.mean() - margin, normal.mean() + margin), abs=margin / 10)
    assert found == bootstrap_interval(normal) != bootstrap_interval(normal, seed=1)
    wide = bootstrap_interval(normal, level=0.99)
    assert found is not None
    assert wide is not None
    assert wide[0] < found[0] < found[1] < wide[1]


def test_bootstrap_is_corrected_for_bias_and_skew() -> None:
    """The interval is BCa by its definition (Efron 1987), where plain percentiles differ."""
    rng = np.random.default_rng(6)
    skewed = rng.exponential(1, 43) ** 2
    means = skewed[rng.integers(43, size=(100_000, 43))].mean(axis=1)
    bias = stats.norm.ppf((means < skewed.mean()).mean())
    centred = skewed - skewed.mean()
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    error = 0.03 * (high - low)
    assert bootstrap_interval(skewed) == pytest.approx((low, high), abs=error)
    assert np.abs(np.quantile(means, [0.025, 0.975]) - (low, high)).max() > 2 * error


def test_effect_size_is_cohens() -> None:
    """Cohen's d is the mean, 0.2, divided by the sample's standard deviation, 0.1."""
    assert effect_size(np.array([0.1, 0.3, 0.2])) == pytest.approx(2.0)
    assert _tally(np.array([0.1, -0.3, 0.0, 0.2])) == (2, 1, 1)


def test_holm_and_bonferroni_by_hand() -> None:
    """Holm: .005 × 4, .01 × 3, .03 × 2, and .04 × 1, which may not fall below .06. Nothing exceeds 1."""
    assert correct([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct([0.01, 0.04, 0.03, 0.005], "bonferroni") == pytest.approx([0.04, 0.16, 0.12, 0.02])
    for correction in ("holm", "bonferroni"):
        assert correct([0.9, 0.6], correction) == [1.0, 1.0]
        assert correct([], correction) == []
    assert correct([0.9, 0.6], "none") == [0.9, 0.6]


@pytest.mark.parametrize("seed", range(5))
def test_corrections_are_their_definitions(seed: int) -> None:
    """Holm's p is the largest (n - rank) × p of all p-values up to it, equal to 1e-15, ties included."""
    p_values = np.random.default_rng(seed).integers(0, 40, 30) / 97
    by_rank = np.sort(p_values)
    stepped = np.minimum(1.0, np.maximum.accumulate(by_rank * np.arange(30, 0, -1)))
    holm = [stepped[np.flatnonzero(by_rank == p)].max() for p in p_values]
    np.testing.assert_allclose(correct(p_values.tolist(), "holm"), holm, rtol=0, atol=1e-15)
    bonferroni = np.minimum(1.0, 30 * p_values)
    np.testing.assert_allclose(correct(p_values.tolist(), "bonferroni"), bonferroni, rtol=0, atol=1e-15)


def pairs_of(matrix: Floats) -> Floats:
    """Return the mean differences of all pairs. (S, S)."""
    means = matrix.mean(axis=1)
    return means[:, np.newaxis] - means


def test_tukey_of_two_systems_is_the_paired_test() -> None:
    """The studentised range of two systems is t; swapping two scores flips a sign."""
    matrix = scores(4, 2, 12)
    differences = matrix[0] - matrix[1]
    mean = np.array([differences.mean()])
    parametric = tukey_t(matrix, mean)
    assert parametric is not None
    assert parametric[0] == pytest.approx(paired_t(differences), rel=1e-6)
    exact = randomization(differences)
    assert tukey_randomization(matrix, mean)[0] == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 10_000))


def test_tukey_t_is_the_analysis_of_variance() -> None:
    """The error variance equals that of least squares on indicators of systems and queries."""
    matrix = scores(7, 5, 30)
    system, query = (indices.ravel() for indices in np.indices(matrix.shape))
    design = np.hstack((np.eye(5)[system], np.eye(30)[query][:, 1:]))
    residual = matrix.ravel() - design @ np.linalg.lstsq(design, matrix.ravel(), rcond=None)[0]
    freedom = matrix.size - np.linalg.matrix_rank(design)
    error = np.sqrt(residual @ residual / freedom / 30)
    truth = stats.studentized_range.sf(np.abs(pairs_of(matrix)) / error, 5, freedom)
    np.testing.assert_allclose(tukey_t(matrix, pairs_of(matrix)), truth, atol=1e-8)


def test_tukey_randomization_is_near_enumeration() -> None:
    """Three systems on four queries have 6^4 permutations, which are enumerated."""
    matrix = scores(8, 3, 4)
    ranges = [np.ptp(np.sum(columns, axis=0)) / 4 for columns in product(*(permutations(row) for row in matrix.T))]
    truth = np.mean(np.array(ranges)[:, np.newaxis, np.newaxis] >= np.abs(pairs_of(matrix)) - 1e-9, axis=0)
    found = tukey_randomization(matrix, pairs_of(matrix))
    np.testing.assert_allclose(found, truth, atol=0.025)
    assert (np.diag(found) == 1).all()
    np.testing.assert_array_equal(found, tukey_randomization(matrix, pairs_of(matrix)))
    assert (found != tukey_randomization(matrix, pairs_of(matrix), seed=1)).any()


@pytest.mark.parametrize("tukey", [tukey_t, tukey_randomization])
def test_tukey_whatever_the_order(tukey: Callable[[Floats, Floats], Floats]) -> None:
    """The order of systems and queries does not matter, and p is at least the uncorrected p of each pair."""
    matrix = scores(9, 32, 25)
    differences = pairs_of(matrix)[:4]
    found = tukey(matrix, differences)
    rng = np.random.default_rng(0)
    mixed = matrix[rng.permutation(32)][:, rng.permutation(25)]
    np.testing.assert_allclose(tukey(mixed, differences), found, rtol=1e-9)
    alone = [[paired_t(paired_differences(first, second)) or 0.0 for second in matrix] for first in matrix[:4]]
    assert (found >= np.array(alone)).all()
    assert (found > np.array(alone)).mean() > 0.9


def test_tukey_where_nothing_varies() -> None:
    """Equal systems give p = 1; without variance, or with one query, t is undefined."""
    equal = np.tile(np.array([0.1, 0.5, 0.3]), (4, 1))
    apart = equal + np.arange(4)[:, np.newaxis] / 10
    np.testing.assert_array_equal(tukey_t(equal, pairs_of(equal)), np.ones((4, 4)))
    np.testing.assert_array_equal(tukey_randomization(equal, pairs_of(equal)), np.ones((4, 4)))
    assert tukey_t(apart, pairs_of(apart)) is None
    assert tukey_t(apart[:, :1], pairs_of(apart[:, :1])) is None
    assert np.isfinite(tukey_randomization(apart, pairs_of(apart))).all()
