"""Comparing systems with baselines on one collection: differences, significance tests and corrections."""

from collections.abc import Mapping, Sequence

import numpy as np

from ir_eval.errors import InputError
from ir_eval.evaluation.comparison import TESTS, Comparison, Difference, Method, check_systems
from ir_eval.evaluation.evaluate import Evaluation
from ir_eval.evaluation.significance import (
    Floats,
    bootstrap_interval,
    correct,
    effect_size,
    paired_differences,
    paired_t,
    randomization,
    tally,
    tukey_randomization,
    tukey_t,
)
from ir_eval.progress import progress_bar

_Pair = tuple[str, str]  # baseline, system
_PValues = dict[_Pair, float | None]


def compare(
    evaluations: Mapping[str, Evaluation],
    baselines: Sequence[str],
    *,
    holes: Mapping[str, Mapping[str, float]] | None = None,
    tests: Sequence[str] = TESTS,
    correction: str = "holm",
    seed: int = 0,
    alpha: float = 0.05,
) -> Comparison:
    """Compare every system with every baseline on every measure, over the same queries.

    Args:
        evaluations: Evaluation of each system, by the same measures and judgements.
        baselines: Names of one or more systems.
        holes: `hole_rates` of every system, for warnings about unjudged documents.
        tests: See `Method`.
        correction: See `Method`.
        seed: See `Method`.
        alpha: See `Method`.

    Raises:
        InputError: There are fewer than two systems or no baselines; a baseline is not a system; measures or queries
            differ between systems; also see `Method`.

    Example:
        >>> from ir_eval import Qrels, Run, evaluate
        >>> qrels, runs = Qrels.read("qrels.txt"), {name: Run.read(f"{name}.trec") for name in ("bm25", "reranked")}
        >>> systems = {name: evaluate(qrels, run, ["mrr"]) for name, run in runs.items()}
        >>> compare(systems, baselines=["bm25"]).against("mrr", "bm25")["reranked"].difference
        0.75
    """
    method = Method(tuple(dict.fromkeys(tests)), correction, seed, alpha)
    baselines = tuple(dict.fromkeys(baselines))
    check_systems(evaluations, baselines)
    _check_same_queries(evaluations)
    first = next(iter(evaluations.values()))
    with progress_bar() as bar:
        differences = [
            difference
            for measure in bar.track(first.per_query, description="testing")
            for difference in _compare_by(measure, evaluations, baselines, method)
        ]
    return Comparison(
        queries=len(first.query_ids),
        means={system: evaluation.means for system, evaluation in evaluations.items()},
        baselines=baselines,
        method=method,
        differences=tuple(differences),
        holes={system: dict(rates) for system, rates in (holes or {}).items()},
    )


def _check_same_queries(evaluations: Mapping[str, Evaluation]) -> None:
    (name, first), *others = evaluations.items()
    for other, evaluation in others:
        if list(evaluation.per_query) != list(first.per_query):
            measures = ", ".join(first.per_query), ", ".join(evaluation.per_query)
            raise InputError(f"{name} was measured by {measures[0]}, {other} by {measures[1]}; expected the same")
        if not np.array_equal(evaluation.query_ids, first.query_ids):
            counts = len(first.query_ids), len(evaluation.query_ids)
            raise InputError(f"{name} has {counts[0]} queries, {other} {counts[1]} or others; expected the same")


def _compare_by(
    measure: str, evaluations: Mapping[str, Evaluation], baselines: Sequence[str], method: Method
) -> list[Difference]:
    """Compare every system with every baseline on one measure."""
    scores = {system: evaluation.per_query[measure] for system, evaluation in evaluations.items()}
    differences = {
        (baseline, system): paired_differences(scores[system], scores[baseline])
        for baseline in baselines
        for system in scores
        if system != baseline
    }
    p_values: dict[str, _PValues] = {}
    corrected: dict[str, _PValues] = {}
    for test in method.tests:
        p_values[test] = {pair: _p_value(test, values, method.seed) for pair, values in differences.items()}
        if method.correction == "tukey":
            corrected[test] = _tukey(test, scores, differences, method.seed)
        else:
            corrected[test] = _correct_by_baseline(p_values[test], method.correction)
    return [
        _describe(measure, pair, scores=scores, p_values=p_values, corrected=corrected, method=method)
        for pair in differences
    ]


def _p_value(test: str, differences: Floats, seed: int) -> float | None:
    return paired_t(differences) if test == "t" else randomization(differences, seed=seed)


def _tukey(test: str, scores: Mapping[str, Floats], differences: Mapping[_Pair, Floats], seed: int) -> _PValues:
    """Test all pairs of systems as one family."""
    matrix = np.stack(list(scores.values()))  # (S, Q)
    means = np.array([values.mean() for values in differences.values()])
    p_values = tukey_t(matrix, means) if test == "t" else tukey_randomization(matrix, means, seed=seed)
    return dict.fromkeys(differences) if p_values is None else dict(zip(differences, p_values.tolist(), strict=True))


def _correct_by_baseline(p_values: _PValues, correction: str) -> _PValues:
    """Correct each baseline's family; an undefined p-value belongs to none and stays undefined."""
    corrected = dict(p_values)
    for baseline in {baseline for baseline, _ in p_values}:
        family = {pair: p for pair, p in p_values.items() if pair[0] == baseline and p is not None}
        corrected.update(zip(family, correct(list(family.values()), correction), strict=True))
    return corrected


def _describe(
    measure: str,
    pair: _Pair,
    *,
    scores: Mapping[str, Floats],
    p_values: Mapping[str, _PValues],
    corrected: Mapping[str, _PValues],
    method: Method,
) -> Difference:
    baseline, system = pair
    differences = paired_differences(scores[system], scores[baseline])
    difference, baseline_mean = float(differences.mean()), float(scores[baseline].mean())
    corrected_by_test = {test: found[pair] for test, found in corrected.items()}
    defined = [p for p in corrected_by_test.values() if p is not None]
    wins, ties, losses = tally(differences)
    return Difference(
        measure=measure,
        baseline=baseline,
        system=system,
        mean=float(scores[system].mean()),
        difference=difference,
        relative=difference / baseline_mean if baseline_mean else None,
        interval=bootstrap_interval(differences, level=1 - method.alpha, seed=method.seed),
        p={test: found[pair] for test, found in p_values.items()},
        corrected=corrected_by_test,
        significant=bool(defined) and max(defined) <= method.alpha,
        effect_size=effect_size(differences),
        wins=wins,
        ties=ties,
        losses=losses,
    )
