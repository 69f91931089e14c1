"""Comparing systems with baselines on one collection: differences, significance tests and corrections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ir_eval.errors import InputError, check_kind
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
    """Compare every system with every baseline on every measure.

    Args:
        evaluations: Evaluation of two or more systems, by the same measures over the same queries.
        baselines: Names of one or more of these systems.
        holes: `hole_rates` of every system, for warnings about unjudged documents.
        tests: See `Method`.
        correction: See `Method`.
        seed: See `Method`.
        alpha: See `Method`.

    Examples:
        >>> from ir_eval import Qrels, Run, evaluate
        >>> runs = Run.read("bm25.trec"), Run.read("reranked.trec")
        >>> systems = {run.name: evaluate(Qrels.read("qrels.txt"), run, ["mrr"]) for run in runs}
        >>> compare(systems, baselines=["bm25"]).against("mrr", "bm25")["ours"].difference
        0.75
    """
    check_kind("tests", tests, list, tuple)
    check_kind("evaluations", evaluations, Mapping)
    check_kind("holes", holes or {}, Mapping)
    method = Method(tuple(tests), correction, seed, alpha)
    check_systems(evaluations, baselines)
    method, baselines = replace(method, tests=tuple(dict.fromkeys(tests))), tuple(dict.fromkeys(baselines))
    _check_same_queries(evaluations)
    first = next(iter(evaluations.values()))
    differences: list[Difference] = []
    with progress_bar() as bar:
        for measure in bar.track(first.per_query, description="testing"):
            scores = {system: evaluation.per_query[measure] for system, evaluation in evaluations.items()}
            differences += _compare_by(measure, scores, baselines=baselines, method=method)
    return Comparison(
        queries=len(first.query_ids),
        means={system: evaluation.means for system, evaluation in evaluations.items()},
        baselines=baselines,
        method=method,
        differences=tuple(differences),
        holes={system: dict(rates) for system, rates in (holes or {}).items()},
        gaps={system: evaluation.gap for system, evaluation in evaluations.items() if evaluation.gap},
        notes=tuple(
            f"{system}: {note}" for system, found in evaluations.items() for note in found.notes[bool(found.gap) :]
        ),
    )


def _check_same_queries(evaluations: Mapping[str, Evaluation]) -> None:
    for name, evaluation in evaluations.items():
        check_kind(f"evaluation of {name}", evaluation, Evaluation)
        if not all(np.isfinite(scores).all() for scores in evaluation.per_query.values()):
            raise InputError(f"{name} has scores that are not finite; expected those of evaluate")
    (name, first), *others = evaluations.items()
    for other, evaluation in others:
        if list(evaluation.per_query) != list(first.per_query):
            measures = ", ".join(first.per_query), ", ".join(evaluation.per_query)
            raise InputError(f"{name} was measured by {measures[0]}, {other} by {measures[1]}; expected the same")
        if not np.array_equal(evaluation.query_ids, first.query_ids):
            counts = f"{len(first.query_ids)} and {len(evaluation.query_ids)}"
            raise InputError(f"{name} and {other} have different queries ({counts}); expected the same")


def _compare_by(
    measure: str, scores: Mapping[str, Floats], *, baselines: Sequence[str], method: Method
) -> Iterator[Difference]:
    """Yield the difference of every system from every baseline on one measure."""
    pairs = [(baseline, system) for baseline in baselines for system in scores if system != baseline]
    differences = {pair: paired_differences(scores[pair[1]], scores[pair[0]]) for pair in pairs}
    p_values = {test: _test_pairs(test, differences, method.seed) for test in method.tests}
    corrected = {test: _correct_pairs(test, p, scores=scores, method=method) for test, p in p_values.items()}
    for (baseline, system), values in differences.items():
        baseline_mean, difference = float(scores[baseline].mean()), float(values.mean())
        defined = [p for found in corrected.values() if (p := found[baseline, system]) is not None]
        wins, ties, losses = _tally(values)
        yield Difference(
            measure=measure,
            baseline=baseline,
            system=system,
            mean=float(scores[system].mean()),
            difference=difference,
            relative=difference / baseline_mean if baseline_mean else None,
            interval=bootstrap_interval(values, level=1 - method.alpha, seed=method.seed),
            p={test: found[baseline, system] for test, found in p_values.items()},
            corrected={test: found[baseline, system] for test, found in corrected.items()},
            significant=bool(defined) and max(defined) <= method.alpha,
            effect_size=effect_size(values),
            wins=wins,
            ties=ties,
            losses=losses,
        )


def _tally(differences: Floats) -> tuple[int, int, int]:
    """Return the numbers of queries that the system wins, ties and loses."""
    wins, losses = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
    return wins, len(differences) - wins - losses, losses


def _test_pairs(test: str, differences: Mapping[_Pair, Floats], seed: int) -> _PValues:
    run_test = paired_t if test == "t" else partial(randomization, seed=seed)
    return {pair: run_test(values) for pair, values in differences.items()}


def _correct_pairs(test: str, p_values: _PValues, *, scores: Mapping[str, Floats], method: Method) -> _PValues:
    """Correct the p-values of one test; an undefined p-value belongs to no family and stays undefined."""
    if method.correction == "tukey":
        run_test = tukey_t if test == "t" else partial(tukey_randomization, seed=method.seed)
        means = np.array([paired_differences(scores[system], scores[base]).mean() for base, system in p_values])
        found = run_test(np.stack(list(scores.values())), means)
        return dict.fromkeys(p_values) if found is None else dict(zip(p_values, found.tolist(), strict=True))
    corrected = dict(p_values)
    for baseline in {baseline for baseline, _ in p_values}:
        family = {pair: p for pair, p in p_values.items() if pair[0] == baseline and p is not None}
        corrected.update(zip(family, correct(list(family.values()), method.correction), strict=True))
    return corrected
