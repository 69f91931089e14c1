"""compare: every number by its definition, the families of corrections, and real runs of TREC-DL."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import CORRECTIONS, TESTS, Comparison
from ir_eval.evaluation.evaluate import Evaluation, evaluate, hole_rates
from ir_eval.evaluation.significance import correct, paired_differences, randomization, tukey_randomization, tukey_t

Systems = dict[str, Evaluation]
RUNS = ("bm25.top100", "bm25_rm3.top100", "d_bert_kd_tasb.top100", "open_ai_ada2.top100", "rep_llama")
RUNS = (*RUNS, "splade_p_p_ensemble_distil.top100")
MEASURES = ("ndcg@10", "mrr@10-l2")


def evaluations(matrix: NDArray[np.float64], *names: str) -> Systems:
    """Make evaluations of the systems s0, s1, … by one measure, ``map``."""
    queries = np.array([f"q{number:03}" for number in range(matrix.shape[1])], dtype=np.dtypes.StringDType())
    names = names or tuple(f"s{number}" for number in range(len(matrix)))
    return {name: Evaluation(queries, {"map": row}) for name, row in zip(names, matrix, strict=True)}


def random_systems(systems: int, queries: int, seed: int = 0) -> Systems:
    """Make systems of increasing quality."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.1, (systems, queries))
    return evaluations(rng.uniform(0.2, 0.7, queries) + noise + np.linspace(0, 0.1, systems)[:, np.newaxis])


@pytest.fixture(scope="module")
def dl19(data: Path) -> tuple[Qrels, dict[str, Run]]:
    """The judgements and the runs of six systems."""
    folder = data / "msmarco/trec-dl19"
    return Qrels.read(folder / "qrels.txt"), {name: Run.read(folder / f"runs/{name}.trec") for name in RUNS}


@pytest.fixture(scope="module")
def measured(dl19: tuple[Qrels, dict[str, Run]]) -> Systems:
    """The evaluations of six systems by two measures."""
    qrels, runs = dl19
    return {name: evaluate(qrels, run, MEASURES) for name, run in runs.items()}


def p_values(comparison: Comparison) -> dict[tuple[str, ...], dict[str, float | None]]:
    """Return the corrected p-values by measure, baseline and system."""
    return {(row.measure, row.baseline, row.system): row.corrected for row in comparison.differences}


def test_every_figure_of_trec_dl19(measured: Systems) -> None:
    """All numbers of real runs equal those of scipy and numpy."""
    baselines = ["bm25.top100", "rep_llama"]
    found = compare(measured, baselines, correction="none")
    pairs = [(m, b, s) for m in MEASURES for b in baselines for s in RUNS if s != b]
    assert list(p_values(found)) == pairs
    for row in found.differences:
        ours, theirs = (measured[name].per_query[row.measure] for name in (row.system, row.baseline))
        assert (row.mean, row.difference) == pytest.approx((ours.mean(), ours.mean() - theirs.mean()))
        assert row.relative == pytest.approx(ours.mean() / theirs.mean() - 1)
        assert row.p["t"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=1e-6)
        assert row.p["randomization"] == randomization(paired_differences(ours, theirs))
        assert row.effect_size == pytest.approx((ours - theirs).mean() / (ours - theirs).std(ddof=1))
        assert row.interval is not None
        assert row.interval[0] < row.difference < row.interval[1]
        assert (row.wins, row.losses) == (np.sum(ours > theirs + 1e-9), np.sum(ours < theirs - 1e-9))
        assert row.wins + row.ties + row.losses == found.queries == 43
        assert row.significant == (max(p for p in row.p.values() if p is not None) <= 0.05)
    assert found.means["bm25.top100"]["ndcg@10"] == pytest.approx(0.5058, abs=5e-5)
    assert {name for name, row in found.against("ndcg@10", "bm25.top100").items() if not row.significant} == {RUNS[1]}


def test_a_family_is_one_baseline_one_measure_one_test(measured: Systems) -> None:
    """Corrections are over the five systems of one baseline, measure and test."""
    baselines = RUNS[:2]
    found = {name: compare(measured, baselines, correction=name) for name in ("holm", "bonferroni")}
    for measure in MEASURES:
        for baseline in baselines:
            stepped, times = (comparison.against(measure, baseline) for comparison in found.values())
            for test in TESTS:
                raw = [row.p[test] or 0.0 for row in stepped.values()]
                assert [row.corrected[test] for row in stepped.values()] == correct(raw, "holm")
                assert [row.corrected[test] for row in times.values()] == [min(1, 5 * p) for p in raw]


def test_tukey_is_over_all_pairs(measured: Systems) -> None:
    """Tukey's family is all systems; here its p-values exceed the raw ones, up to the error of the draws."""
    found = compare(measured, RUNS[:2], correction="tukey")
    for row in found.differences:
        matrix = np.stack([evaluation.per_query[row.measure] for evaluation in measured.values()])
        difference = np.array([row.difference])
        assert row.corrected == {
            "t": tukey_t(matrix, difference),
            "randomization": tukey_randomization(matrix, difference),
        }
        assert (row.corrected["randomization"] or 0.0) >= (row.p["randomization"] or 0.0) - 0.01


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_order_does_not_change_a_p_value(correction: str) -> None:
    """The order of systems, baselines and queries does not matter; another seed changes random draws only."""
    systems, order = random_systems(5, 30), np.random.default_rng(1).permutation(30)
    mixed = {
        name: Evaluation(systems[name].query_ids[order], {"map": systems[name].per_query["map"][order]})
        for name in ("s3", "s1", "s4", "s0", "s2")
    }
    found = p_values(compare(systems, ["s0", "s1"], correction=correction))
    again = p_values(compare(mixed, ["s1", "s0"], correction=correction))
    assert {key: pytest.approx(value, rel=1e-9) for key, value in found.items()} == again
    other = p_values(compare(systems, ["s0", "s1"], correction=correction, seed=1))
    assert {key: value["t"] for key, value in found.items()} == {key: value["t"] for key, value in other.items()}
    assert found != other


def test_more_systems_than_letters() -> None:
    """33 systems are compared with three of them; neighbours do not differ significantly."""
    found = compare(random_systems(33, 50), ["s0", "s16", "s32"])
    assert len(found.differences) == 3 * 32
    significant = {(row.baseline, row.system) for row in found.differences if row.significant}
    assert {("s0", "s32"), ("s32", "s0")} <= significant
    assert not {("s0", "s1"), ("s16", "s17"), ("s32", "s31")} & significant


def test_only_some_tests(measured: Systems) -> None:
    """Only the given tests are computed; a test or baseline given twice appears once."""
    found = compare(measured, ["rep_llama", "rep_llama"], tests=["t", "t"])
    assert (found.method.tests, found.baselines) == (("t",), ("rep_llama",))
    assert all(list(row.p) == list(row.corrected) == ["t"] for row in found.differences)


@pytest.mark.parametrize("correction", CORRECTIONS)
@pytest.mark.parametrize("queries", [1, 2, 20])
def test_nothing_is_nan(queries: int, correction: str) -> None:
    """Equal systems, a system of zeros and a constant difference give valid JSON."""
    row = np.linspace(0.1, 0.5, queries)
    systems = evaluations(np.stack((row, row, 0 * row, row + 0.25)), "base", "twin", "zero", "ahead")
    found = compare(systems, ["base", "zero"], correction=correction)
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == json.loads(json.dumps(plain))
    twin, zero, ahead = found.against("map", "base").values()
    assert (twin.difference, twin.relative, twin.effect_size, twin.significant) == (0, 0, 0, False)
    assert twin.p == {"t": 1.0, "randomization": 1.0}
    assert (twin.wins, twin.ties, twin.losses) == (0, queries, 0)
    assert (ahead.p["t"], ahead.effect_size) == (None, None)
    assert ahead.significant is (queries == 20)
    assert found.against("map", "zero")["base"].relative is None
    assert (zero.p["t"] is None) is (queries == 1)
    assert (zero.interval is None) is (queries == 1)


def test_an_undefined_p_is_in_no_family() -> None:
    """One of three p-values is undefined; Holm corrects the other two."""
    rng = np.random.default_rng(0)
    row = rng.uniform(0, 0.5, 30)
    noisy = row + rng.normal(0.03, 0.1, (2, 30))
    found = compare(evaluations(np.stack((row, row + 0.25, *noisy))), ["s0"]).against("map", "s0")
    assert found["s1"].corrected["t"] is None
    raw = [found[name].p["t"] or 0.0 for name in ("s2", "s3")]
    assert [found[name].corrected["t"] for name in ("s2", "s3")] == correct(raw, "holm")


def test_significant_is_by_every_test() -> None:
    """Four queries with similar differences are significant by t, but four signs cannot be."""
    row = np.array([0.1, 0.2, 0.3, 0.4])
    systems = evaluations(np.stack((row, row + [0.1, 0.11, 0.12, 0.13])))
    (found,) = compare(systems, ["s0"]).differences
    assert (found.p["t"] or 1.0) < 0.001
    assert (found.p["randomization"], found.significant) == (2 / 2**4, False)
    assert compare(systems, ["s0"], tests=["t"]).differences[0].significant


def test_to_dict_holds_everything(measured: Systems) -> None:
    """The dictionary holds the method beside the numbers."""
    found = compare(measured, ["bm25.top100"], seed=7, alpha=0.01, holes={name: {"holes@10": 0.0} for name in RUNS})
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["method"] == {"tests": list(TESTS), "correction": "holm", "seed": 7, "alpha": 0.01}
    assert (plain["queries"], plain["baselines"], plain["warnings"]) == (43, ["bm25.top100"], [])
    assert plain["means"] == found.means
    assert [row["corrected"] for row in plain["differences"]] == [row.corrected for row in found.differences]
    assert list(plain["holes"]) == list(RUNS)


def test_alpha_is_the_level_of_the_interval(measured: Systems) -> None:
    """At 0.01 the interval is wider, and fewer differences are significant."""
    five, one = (compare(measured, ["bm25.top100"], tests=["t"], alpha=alpha).differences for alpha in (0.05, 0.01))
    for narrow, wide in zip(five, one, strict=True):
        assert narrow.interval is not None
        assert wide.interval is not None
        assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]
        assert wide.significant == ((wide.corrected["t"] or 0.0) <= 0.01)


def test_hole_rates_by_hand() -> None:
    """The rates are over the top k of answered queries; k is 10 for a measure without cutoff."""
    qrels = Qrels.from_dict({"a": {"d1": 1, "d2": 0}, "b": {"d1": 0}, "c": {"d1": 1}})
    run = Run.from_dict({"a": {"d1": 3.0, "d9": 2.0, "d2": 1.0, "d8": 0.5}, "b": {"d1": 1.0}, "x": {"d7": 1.0}})
    assert hole_rates(qrels, run, ["ndcg@2", "precision@2", "map", "mrr@3"]) == {
        "holes@2": pytest.approx((1 / 2 + 0) / 2),
        "holes@10": pytest.approx((2 / 4 + 0) / 2),
        "holes@3": pytest.approx((1 / 3 + 0) / 2),
    }


def test_holes_are_warned_of(dl19: tuple[Qrels, dict[str, Run]], measured: Systems) -> None:
    """The top 10 of BM25, which was pooled, are judged, and nearly so RM3's; later systems have holes."""
    qrels, runs = dl19
    holes = {name: hole_rates(qrels, run, MEASURES) for name, run in runs.items()}
    assert holes["bm25.top100"] == {"holes@10": 0.0}
    warnings = compare(measured, ["bm25.top100"], holes=holes).warnings
    assert [warning.split(":")[0] for warning in warnings] == list(RUNS[2:])
    rate = holes["rep_llama"]["holes@10"]
    assert warnings[2] == (
        f"rep_llama: {rate:.1%} of its first 10 documents have no judgement, 0.0% of bm25.top100's: "
        "its true scores may be higher"
    )
    assert compare(measured, ["rep_llama"], holes=holes).warnings == []
    assert compare(measured, ["bm25.top100"]).warnings == []


def unlike(systems: Systems, evaluation: Evaluation) -> Systems:
    """Replace the evaluation of the last system."""
    return systems | {list(systems)[-1]: evaluation}


SYSTEMS = random_systems(3, 4)
OTHER_QUERIES = replace(SYSTEMS["s0"], query_ids=SYSTEMS["s0"].query_ids[::-1])


@pytest.mark.parametrize(
    ("systems", "options", "message"),
    [
        (SYSTEMS, {"baselines": ["s9"]}, "baseline 's9'; expected one of s0, s1, s2"),
        (SYSTEMS, {"baselines": []}, "baseline missing; expected one of s0"),
        ({"s0": SYSTEMS["s0"]}, {}, "s0 alone; expected at least 2 systems; add a run"),
        (SYSTEMS, {"tests": ["t", "sign"]}, "tests 't', 'sign'; expected some of t, randomization"),
        (SYSTEMS, {"tests": []}, "tests none; expected some of t"),
        (SYSTEMS, {"correction": "fdr"}, "correction 'fdr'; expected one of holm, bonferroni, tukey, none"),
        (SYSTEMS, {"alpha": 5}, "alpha 5; expected a number between 0 and 1"),
        (SYSTEMS, {"seed": -1}, "seed -1; expected at least 0"),
        (unlike(SYSTEMS, Evaluation(SYSTEMS["s0"].query_ids, {})), {}, "s0 was measured by map, s2 by "),
        (unlike(SYSTEMS, OTHER_QUERIES), {}, "s0 and s2 have different queries (4 and 4); expected the same"),
    ],
)
def test_what_cannot_be_compared(systems: Systems, options: Mapping[str, list[str]], message: str) -> None:
    """The message says what was seen and what was expected."""
    with pytest.raises(InputError) as error:
        compare(systems, **{"baselines": ["s0"]} | options)
    assert str(error.value).startswith(message)


def test_all_orders_of_three_systems_give_the_same_differences() -> None:
    """The values are equal, whichever system comes first."""
    systems = random_systems(3, 12)
    found = [
        {(row.system, row.corrected["randomization"], row.interval) for row in compare(dict(order), ["s1"]).differences}
        for order in permutations(systems.items())
    ]
    assert all(rows == found[0] for rows in found)
