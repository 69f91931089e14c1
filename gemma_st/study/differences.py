"""Differences between pairs of cells that differ in one factor only, with confidence intervals."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from gemma_st.study.factors import label

LEVEL = 0.95


def compare(cells: Sequence[Mapping[str, Any]], factor: str, *, listed: Sequence[Any]) -> list[dict[str, Any]]:
    """Compare each value of a factor with the baseline value, for each task, by the first measure of the task.

    Args:
        cells: Finished cells, as their files hold them.
        factor: Name of the factor, such as ``pooler``.
        listed: Values of the factor in the order of the study's grids. The first value that a task has is its baseline.

    Returns:
        A row for each task and value that has pairs: ``task``, ``measure``, ``baseline``, ``value``, ``pairs``,
        ``baseline_mean`` and ``value_mean`` over the pairs, their ``difference``, and its ``interval``: Student's 95 %
        confidence interval, or None for a single pair.

    Examples:
        >>> settings, measures = [{"head": "mlp"}, {"head": "linear"}], [{"accuracy": 0.5}, {"accuracy": 0.25}]
        >>> cells = [{"task": "rte", "seed": 0, "settings": settings[i], "measures": measures[i]} for i in range(2)]
        >>> compare(cells, "head", listed=["mlp", "linear"])[0]["difference"]
        -0.25
    """
    rows = []
    for task in dict.fromkeys(cell["task"] for cell in cells):
        scores: dict[str, dict[str, float]] = {json.dumps(value): {} for value in listed}  # value -> pair -> score
        for cell in (cell for cell in cells if cell["task"] == task):
            others = {name: value for name, value in cell["settings"].items() if name != factor}
            measure, score = next(iter(cell["measures"].items()))
            pair = json.dumps([others, cell["seed"]], sort_keys=True)
            scores.setdefault(json.dumps(cell["settings"][factor]), {})[pair] = score
        (first, baseline), *compared = ((value, found) for value, found in scores.items() if found)
        for value, found in compared:
            pairs = [(baseline[pair], score) for pair, score in found.items() if pair in baseline]
            if pairs:
                names = {"baseline": label(json.loads(first)), "value": label(json.loads(value))}
                rows.append({"task": task, "measure": measure, **names, **_difference(pairs)})
    return rows


def _difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    differences = [score - baseline for baseline, score in pairs]
    return {
        "pairs": len(pairs),
        "baseline_mean": mean(baseline for baseline, _ in pairs),
        "value_mean": mean(score for _, score in pairs),
        "difference": mean(differences),
        "interval": _interval(differences),
    }


def _interval(differences: Sequence[float]) -> list[float] | None:
    """Return Student's confidence interval of a mean, ``mean ± t · s / √n``; None for a single difference."""
    if len(differences) < 2:
        return None
    from scipy import stats

    half = float(stats.t.ppf((1 + LEVEL) / 2, len(differences) - 1) * stats.sem(differences))
    return [mean(differences) - half, mean(differences) + half]
