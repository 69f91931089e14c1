"""The official metrics, and what is reached by saying the same of every example."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.glue.tasks import HIGHEST, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def predictions(task: Task, scores: "NDArray[np.float32]") -> "NDArray[Any]":
    """Return what a model says of each example: the number of a class, or a grade from 0 to 5.

    Args:
        task: The task.
        scores: Shape ``(examples, classes)``; of regression ``(examples, 1)``, grades divided by 5.
    """
    return scores.argmax(1) if task.labels else np.clip(scores[:, 0].astype(np.float64) * HIGHEST, 0, HIGHEST)


def measure(task: Task, predicted: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, float]:
    """Return the task's metrics, from -1 or 0 to 1; a correlation with a constant is 0.

    Args:
        task: The task.
        predicted: Shape ``(examples,)``, as ``predictions`` returns them.
        labels: Shape ``(examples,)``.
    """
    return {name: float(METRICS[name](predicted, labels)) for name in task.metrics}


def baseline(task: Task, known: "NDArray[Any]", labels: "NDArray[Any]") -> dict[str, float]:
    """Return the metrics of saying of each example the most frequent class, or the mean grade, of the training set.

    Args:
        task: The task.
        known: Labels of the training set, shape ``(examples,)``.
        labels: Labels of the set to predict.
    """
    constant = np.bincount(known.astype(int), minlength=len(task.labels)).argmax() if task.labels else known.mean()
    return measure(task, np.full(len(labels), constant), labels)


def _accuracy(predicted: "NDArray[Any]", labels: "NDArray[Any]") -> float:
    return float((predicted == labels).mean())


def _f1(predicted: "NDArray[Any]", labels: "NDArray[Any]", average: str = "binary") -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted, average=average, zero_division=0))


def _matthews(predicted: "NDArray[Any]", labels: "NDArray[Any]") -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predicted))


def _correlation(name: str, predicted: "NDArray[Any]", labels: "NDArray[Any]") -> float:
    from scipy import stats

    if np.ptp(predicted) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(getattr(stats, name)(predicted, labels).statistic)


METRICS: dict[str, Callable[["NDArray[Any]", "NDArray[Any]"], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro-f1": lambda predicted, labels: _f1(predicted, labels, "macro"),
    "matthews": _matthews,
    "pearson": lambda predicted, labels: _correlation("pearsonr", predicted, labels),
    "spearman": lambda predicted, labels: _correlation("spearmanr", predicted, labels),
}
