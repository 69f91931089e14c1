"""Tests of gemma_st.glue.metrics against numpy references and known values."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gemma_st.glue.metrics import METRICS, baseline, measure, predictions
from gemma_st.glue.tasks import TABLE, TASKS

Array = NDArray[np.float64]


def counts(predicted: Array, labels: Array, label: int = 1) -> tuple[float, float, float, float]:
    """Return true and false positives, then true and false negatives."""
    is_said, is_so = predicted == label, labels == label
    return (
        float((is_said & is_so).sum()),
        float((is_said & ~is_so).sum()),
        float((~is_said & ~is_so).sum()),
        float((~is_said & is_so).sum()),
    )


def f1(predicted: Array, labels: Array, label: int = 1) -> float:
    """Return F1 = 2TP / (2TP + FP + FN)."""
    true, false, _, missed = counts(predicted, labels, label)
    return 2 * true / (2 * true + false + missed)


def matthews(predicted: Array, labels: Array) -> float:
    """(TP·TN - FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)), as Matthews wrote it in 1975."""
    tp, fp, tn, fn = counts(predicted, labels)
    return float((tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def pearson(one: Array, other: Array) -> float:
    """Return the covariance divided by both standard deviations."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def ranks(values: Array) -> Array:
    """Return ranks; equal values share their mean rank."""
    return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])


REFERENCES = {
    "accuracy": lambda predicted, labels: float(np.mean(predicted == labels)),
    "f1": f1,
    "macro-f1": lambda predicted, labels: float(np.mean([f1(predicted, labels, label) for label in range(3)])),
    "matthews": matthews,
    "pearson": pearson,
    "spearman": lambda predicted, labels: pearson(ranks(predicted), ranks(labels)),
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_those_of_a_ten_line_reference(name: str) -> None:
    """Metrics equal their references on random classes, or on random grades with ties."""
    random = np.random.default_rng(1)
    for _ in range(5):
        predicted, labels = random.integers(0, 3 if name == "macro-f1" else 2, (2, 60))
        if name in ("pearson", "spearman"):
            predicted, labels = random.integers(0, 20, (2, 60)) / 4
        assert METRICS[name](predicted, labels) == pytest.approx(REFERENCES[name](predicted, labels), abs=1e-12)


def test_known_values() -> None:
    """Metrics have known values for perfect, inverted and half-correct predictions."""
    labels = np.array([0, 1, 0, 1])
    assert [METRICS["matthews"](said, labels) for said in (labels, 1 - labels, np.array([0, 1, 1, 0]))] == [1, -1, 0]
    assert METRICS["f1"](np.array([1, 1, 1, 1]), labels) == pytest.approx(2 / 3)
    assert METRICS["spearman"](np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(1)


def test_a_constant_answer_is_the_baseline() -> None:
    """The baseline predicts the training set's most frequent class; for grades its correlation is 0."""
    known, labels = np.array([1, 1, 0]), np.array([0, 0, 0, 1])
    assert baseline(TASKS["rte"], known, labels) == {"accuracy": 0.25}
    assert baseline(TASKS["cola"], known, labels) == {"matthews": 0}
    assert baseline(TASKS["mrpc"], known, labels) == {"accuracy": 0.25, "f1": pytest.approx(0.4)}
    assert baseline(TASKS["sts-b"], np.array([1.0, 4.0]), np.array([0.0, 3.0])) == {"pearson": 0, "spearman": 0}
    assert baseline(TASKS["cb"], np.array([2, 2]), np.array([0, 1, 2]))["macro-f1"] == pytest.approx(0.5 / 3)


def test_predictions_are_classes_or_grades_within_bounds() -> None:
    """Regression scores are grades divided by 5, and predictions are clipped to 0 to 5."""
    scores = np.array([[0.1, 0.3], [2, 1]], dtype=np.float32)
    assert predictions(TASKS["rte"], scores).tolist() == [1, 0]
    grades = predictions(TASKS["sts-b"], np.array([[-0.1], [0.5], [1.2]], dtype=np.float32))
    assert grades.tolist() == [0, 2.5, 5]
    assert measure(TASKS["sts-b"], grades, np.array([0, 2.5, 5]))["pearson"] == pytest.approx(1)


def test_every_task_has_the_official_metrics() -> None:
    """The metrics are those that GLUE and SuperGLUE list."""
    others = {"cola": ("matthews",), "sts-b": ("pearson", "spearman"), "cb": ("accuracy", "macro-f1")}
    others |= dict.fromkeys(("mrpc", "qqp"), ("accuracy", "f1"))
    assert {task.name: task.metrics for task in TABLE} == {
        task.name: others.get(task.name, ("accuracy",)) for task in TABLE
    }
    assert len(TABLE) == 14
