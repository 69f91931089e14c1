"""Compare systems on one collection: what differs from the baselines, by how much, and whether that is chance."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ir_eval.errors import InputError
from ir_eval.evaluation.comparison import TESTS, Comparison, Difference, Method, check_systems
from ir_eval.evaluation.evaluate import Evaluation
from ir_eval.evaluation.significance import (
    Floats,
    bonferroni,
    bootstrap_interval,
    effect_size,
    holm,
    paired_differences,
    paired_t,
    randomization,
    tally,
    tukey_randomization,
    tukey_t,
)
from ir_eval.progress import progress_bar

Pair = tuple[str, str]  # baseline, system
PValues = dict[Pair, float | None]

_TESTS: dict[str, Callable[[Floats, int], float | None]] = {
    "t": lambda differences, _: paired_t(differences),
    "randomization": lambda differences, seed: randomization(differences, seed=seed),
}
_TUKEY: dict[str, Callable[[Floats, Floats, int], Floats | None]] = {
    "t": lambda scores, differences, _: tukey_t(scores, differences),
    "randomization": lambda scores, differences, seed: tukey_randomization(scores, differences, seed=seed),
}
_STEPS: dict[str, Callable[[Sequence[float]], list[float]]] = {"holm": holm, "bonferroni": bonferroni, "none": list}


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
        evaluations: System to its evaluation; of the same measures by the same judgements.
        baselines: One or more of the systems.
        holes: System to its `hole_rates`, of all systems, if unjudged documents shall be warned of.
        tests: See `Method`.
        correction: See `Method`.
        seed: See `Method`.
        alpha: See `Method`.

    Raises:
        InputError: Fewer than two systems; a baseline that is none, or none at all; systems that were not measured
            alike; and as `Method`.
    """
    method = Method(tuple(dict.fromkeys(tests)), correction, seed, alpha)
    baselines = tuple(dict.fromkeys(baselines))
    check_systems(evaluations, baselines)
    _check_alike(evaluations)
    first = next(iter(evaluations.values()))
    with progress_bar() as bar:
        rows = [
            row
            for measure in bar.track(first.per_query, description="testing")
            for row in _differences(measure, evaluations, baselines, method)
        ]
    return Comparison(
        queries=len(first.query_ids),
        means={system: evaluation.means for system, evaluation in evaluations.items()},
        baselines=baselines,
        method=method,
        differences=tuple(rows),
        holes={system: dict(rates) for system, rates in (holes or {}).items()},
    )


def _check_alike(evaluations: Mapping[str, Evaluation]) -> None:
    (name, first), *others = evaluations.items()
    for other, evaluation in others:
        if list(evaluation.per_query) != list(first.per_query):
            measures = ", ".join(first.per_query), ", ".join(evaluation.per_query)
            raise InputError(f"{name} was measured by {measures[0]}, {other} by {measures[1]}; expected the same")
        if not np.array_equal(evaluation.query_ids, first.query_ids):
            counts = len(first.query_ids), len(evaluation.query_ids)
            raise InputError(f"{name} has {counts[0]} queries, {other} {counts[1]} or others; expected the same")


def _differences(
    measure: str, evaluations: Mapping[str, Evaluation], baselines: Sequence[str], method: Method
) -> list[Difference]:
    scores = {system: evaluation.per_query[measure] for system, evaluation in evaluations.items()}
    paired = {
        (baseline, system): paired_differences(scores[system], scores[baseline])
        for baseline in baselines
        for system in scores
        if system != baseline
    }
    p_values: dict[str, PValues] = {
        test: {pair: _TESTS[test](differences, method.seed) for pair, differences in paired.items()}
        for test in method.tests
    }
    if method.correction == "tukey":
        corrected = {test: _all_pairs(test, np.stack(list(scores.values())), paired, method.seed) for test in p_values}
    else:
        corrected = {test: _each_baseline(method.correction, p_values[test]) for test in p_values}
    return [
        _difference(
            measure,
            pair,
            scores,
            p={test: p_values[test][pair] for test in method.tests},
            corrected={test: corrected[test][pair] for test in method.tests},
            method=method,
        )
        for pair in paired
    ]


def _difference(
    measure: str,
    pair: Pair,
    scores: Mapping[str, Floats],
    *,
    p: dict[str, float | None],
    corrected: dict[str, float | None],
    method: Method,
) -> Difference:
    baseline, system = pair
    differences = paired_differences(scores[system], scores[baseline])
    difference, baseline_mean = float(differences.mean()), float(scores[baseline].mean())
    defined = [value for value in corrected.values() if value is not None]
    wins, ties, losses = tally(differences)
    return Difference(
        measure=measure,
        baseline=baseline,
        system=system,
        mean=float(scores[system].mean()),
        difference=difference,
        relative=difference / baseline_mean if baseline_mean else None,
        interval=bootstrap_interval(differences, level=1 - method.alpha, seed=method.seed),
        p=p,
        corrected=corrected,
        significant=bool(defined) and max(defined) <= method.alpha,
        effect_size=effect_size(differences),
        wins=wins,
        ties=ties,
        losses=losses,
    )


def _each_baseline(correction: str, p_values: PValues) -> PValues:
    """Correct by family, a baseline each; a p-value that is undefined is in none."""
    corrected = dict(p_values)
    for baseline in {baseline for baseline, _ in p_values}:
        family = {pair: p for pair, p in p_values.items() if p is not None and pair[0] == baseline}
        corrected.update(zip(family, _STEPS[correction](list(family.values())), strict=True))
    return corrected


def _all_pairs(test: str, scores: Floats, paired: Mapping[Pair, Floats], seed: int) -> PValues:
    means = np.array([differences.mean() for differences in paired.values()])
    found = _TUKEY[test](scores, means, seed)
    return dict.fromkeys(paired) if found is None else dict(zip(paired, found.tolist(), strict=True))
