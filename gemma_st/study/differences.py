"""Pairs of cells that differ in one factor alone: what the difference is, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from gemma_st.study.factors import label

LEVEL = 0.95


def compare(cells: Sequence[Mapping[str, Any]], factor: str, *, listed: Sequence[Any]) -> list[dict[str, Any]]:
    """Compare each other value of a factor with the baseline, task by task, by the task's first measure.

    Args:
        cells: As they are kept in files.
        factor: Whose values.
        listed: Those in the order of the study's grids; a task's baseline is the first that it has.

    Returns:
        A row for each task and value with a pair: ``task``, ``measure``, ``baseline``, ``value``, ``pairs``, the means
        of both over the pairs, their ``difference``, and its ``interval`` where there are two pairs.
    """
    rows = []
    for task in dict.fromkeys(cell["task"] for cell in cells):
        scores: dict[str, dict[str, float]] = {json.dumps(value): {} for value in listed}
        for cell in (cell for cell in cells if cell["task"] == task):
            others = {name: value for name, value in cell["settings"].items() if name != factor}
            measure, score = next(iter(cell["measures"].items()))
            rest = json.dumps([others, cell["seed"]], sort_keys=True)
            scores.setdefault(json.dumps(cell["settings"][factor]), {})[rest] = score
        (first, base), *rest_ = ((value, found) for value, found in scores.items() if found)
        for value, found in rest_:
            pairs = [(base[place], score) for place, score in found.items() if place in base]
            if pairs:
                said = {"task": task, "measure": measure, "baseline": label(json.loads(first))}
                rows.append({**said, "value": label(json.loads(value)), **_difference(pairs)})
    return rows


def _difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    differences = [other - base for base, other in pairs]
    return {
        "pairs": len(pairs),
        "baseline_mean": mean(base for base, _ in pairs),
        "value_mean": mean(other for _, other in pairs),
        "difference": mean(differences),
        "interval": interval(differences),
    }


def interval(differences: Sequence[float]) -> list[float] | None:
    """Return both ends of Student's 95 % interval of a mean, none of a single value.

    Args:
        differences: At least one.
    """
    if len(differences) < 2:
        return None
    from scipy.stats import t

    middle, count = mean(differences), len(differences)
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * stdev(differences) / count**0.5
    return [middle - half, middle + half]
