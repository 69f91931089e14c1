"""The official metrics of the tasks, and their values for a constant prediction."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from gemma_st.glue.tasks import HIGHEST_GRADE, Task

Metric = Callable[[NDArray[Any], NDArray[Any]], float]


def predictions(task: Task, scores: NDArray[np.float32]) -> NDArray[Any]:
    """Return predicted class numbers from scores ``(examples, classes)``, or grades from ``grade / 5 (examples, 1)``.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> predictions(TASKS["sts-b"], np.array([[0.5], [1.2]], dtype=np.float32))
        array([2.5, 5. ])
    """
    grades: NDArray[np.float64] = np.clip(scores[:, 0].astype(np.float64) * HIGHEST_GRADE, 0, HIGHEST_GRADE)
    return scores.argmax(1) if task.labels else grades


def measure(task: Task, predicted: NDArray[Any], labels: NDArray[Any] | None) -> dict[str, float]:
    """Return the metrics of a task, from -1 or 0 to 1; empty if the labels are secret (None).

    A correlation with a constant is 0.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> measure(TASKS["mrpc"], np.array([1, 0, 1, 0]), np.array([1, 0, 1, 1]))
        {'accuracy': 0.75, 'f1': 0.8}
    """
    return {} if labels is None else {name: float(METRICS[name](predicted, labels)) for name in task.metrics}


def baseline(task: Task, known: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Return the metrics of a constant prediction: the most frequent class or mean grade of the training set.

    ``known`` are the labels of the training set, ``labels`` those of the set to predict.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> baseline(TASKS["rte"], known=np.array([1, 1, 0]), labels=np.array([0, 0, 0, 1]))
        {'accuracy': 0.25}
    """
    constant = np.bincount(known.astype(int), minlength=len(task.labels)).argmax() if task.labels else known.mean()
    return measure(task, np.full(len(labels), constant), labels)


def _correlation(function: Callable[..., Any], predicted: NDArray[Any], labels: NDArray[Any]) -> float:
    constant = np.ptp(predicted) == 0 or np.ptp(labels) == 0
    return 0.0 if constant else float(function(predicted, labels).statistic)


METRICS: dict[str, Metric] = {
    "accuracy": lambda predicted, labels: (predicted == labels).mean(),
    "f1": lambda predicted, labels: f1_score(labels, predicted, zero_division=0),
    "macro-f1": lambda predicted, labels: f1_score(labels, predicted, average="macro", zero_division=0),
    "matthews": lambda predicted, labels: matthews_corrcoef(labels, predicted),
    "pearson": partial(_correlation, stats.pearsonr),
    "spearman": partial(_correlation, stats.spearmanr),
}
