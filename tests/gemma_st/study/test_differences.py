"""Tests of gemma_st.study.differences: pairs, differences and intervals."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from gemma_st.study.differences import _interval, compare

POOLERS = ["mean", "last", "first"]


def grid(scores: NDArray[Any], *, skip: int = 0) -> list[dict[str, Any]]:
    """Make cells of ``scores (pooler, attention, seed)``, without the first few."""
    places = list(product(range(scores.shape[0]), range(scores.shape[1]), range(scores.shape[2])))
    return [
        {
            "task": "cola",
            "settings": {"pooler": POOLERS[p], "attention": ("bidirectional", "causal")[a]},
            "seed": seed,
            "measures": {"matthews": float(scores[p, a, seed]), "other": 0.0},
        }
        for p, a, seed in places[skip:]
    ]


def test_is_the_paired_t_interval() -> None:
    """Differences and intervals equal scipy's for pairs of the same attention and seed."""
    scores = np.random.default_rng(0).normal(size=(3, 2, 4))
    rows = compare(grid(scores), "pooler", listed=POOLERS)
    assert [(row["task"], row["measure"], row["baseline"], row["value"]) for row in rows] == [
        ("cola", "matthews", "mean", "last"),
        ("cola", "matthews", "mean", "first"),
    ]
    for place, row in enumerate(rows, 1):
        differences = (scores[place] - scores[0]).ravel()
        expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert row["pairs"] == 8
        assert row["difference"] == pytest.approx(differences.mean())
        assert row["interval"] == pytest.approx([expected.low, expected.high])
        assert (row["baseline_mean"], row["value_mean"]) == pytest.approx((scores[0].mean(), scores[place].mean()))


def test_a_cell_without_its_pair_does_not_count() -> None:
    """A cell without a pair is in neither mean: the first two cells of the baseline are missing."""
    scores = np.random.default_rng(1).normal(size=(2, 2, 3))
    (row,) = compare(grid(scores, skip=2), "pooler", listed=POOLERS)
    assert row["pairs"] == 4
    base, other = scores[0].ravel()[2:], scores[1].ravel()[2:]
    assert row["difference"] == pytest.approx((other - base).mean())
    assert (row["baseline_mean"], row["value_mean"]) == pytest.approx((base.mean(), other.mean()))


def test_the_first_listed_is_the_baseline_and_what_never_changes_is_no_question() -> None:
    """The baseline depends on the order of the listed values, not of the cells; a constant factor has no rows."""
    cells = grid(np.random.default_rng(2).normal(size=(2, 1, 2)))
    one, other = (compare(cells, "pooler", listed=listed) for listed in (POOLERS, POOLERS[::-1]))
    assert (one[0]["baseline"], other[0]["baseline"]) == ("mean", "last")
    assert one[0]["difference"] == pytest.approx(-other[0]["difference"])
    assert compare(cells, "attention", listed=["bidirectional", "causal"]) == []
    assert compare([], "attention", listed=["bidirectional"]) == []


def test_a_single_pair_has_no_interval() -> None:
    """A single pair has no interval; the interval of equal differences has width 0."""
    assert _interval([0.3]) is None
    assert _interval([0.25, 0.25]) == [0.25, 0.25]
