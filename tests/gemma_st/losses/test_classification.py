"""Tests of gemma_st.losses.classification against numpy: single texts, pairs, and a choice between texts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.losses.classification import ClassificationLoss, RegressionLoss

ONE, TWO = ["a patent license", "any derivative work"], ["the contributor", "a work"]
OTHER = ["copies", "the license of the work, and more"]


@pytest.fixture(scope="module")
def classifier(tiny_gemma: Path) -> CrossEncoder:
    """A classifier with three classes."""
    torch.manual_seed(0)
    return cross_encoder(tiny_gemma, labels=["a", "b", "c"]).eval()


@pytest.fixture(scope="module")
def scorer(tiny_gemma: Path) -> CrossEncoder:
    """A model with one label."""
    torch.manual_seed(1)
    return cross_encoder(tiny_gemma).eval()


def entropy(scores: np.ndarray, labels: list[int]) -> float:
    """Return the mean of -log softmax(scores)[label]."""
    odds = np.exp(scores.astype(np.float64))
    shares = odds / odds.sum(1, keepdims=True)
    return float(-np.log(shares[np.arange(len(labels)), labels]).mean())


def test_cross_entropy_of_texts_and_pairs(classifier: CrossEncoder) -> None:
    """Two single texts are two examples, not a pair."""
    loss = ClassificationLoss(classifier)
    texts, pairs = classifier.predict_texts(ONE), classifier.predict(list(zip(ONE, TWO, strict=True)))
    assert loss([ONE], torch.tensor([2, 0])).item() == pytest.approx(entropy(texts, [2, 0]), abs=1e-6)
    assert loss([ONE, TWO], torch.tensor([1, 1])).item() == pytest.approx(entropy(pairs, [1, 1]), abs=1e-6)


def test_cross_entropy_of_a_choice(scorer: CrossEncoder) -> None:
    """Each pair of premise and choice has a score; the softmax is over the choices."""
    first, second = (scorer.predict(list(zip(ONE, others, strict=True))) for others in (TWO, OTHER))
    expected = entropy(np.stack([first, second], 1), [1, 0])
    found = ClassificationLoss(scorer)([ONE, TWO, OTHER], torch.tensor([1, 0]))
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_squared_error_of_scaled_grades(scorer: CrossEncoder) -> None:
    """Grades from 0 to 5 become targets from 0 to 1."""
    scores = scorer.predict(list(zip(ONE, TWO, strict=True)))
    expected = np.mean((scores - np.array([5.0, 1.0]) / 5) ** 2)
    assert RegressionLoss(scorer, 5.0)([ONE, TWO], torch.tensor([5.0, 1.0])).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("regression", [False, True])
def test_losses_are_float32_under_bfloat16(regression: bool, classifier: CrossEncoder, scorer: CrossEncoder) -> None:
    """The value is near the one in float32, and the gradients are finite."""
    loss = RegressionLoss(scorer, 5.0) if regression else ClassificationLoss(classifier)
    labels = torch.tensor([5.0, 1.0]) if regression else torch.tensor([1, 2])
    exact = loss([ONE, TWO], labels)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = loss([ONE, TWO], labels)
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(exact.item(), abs=0.05)
    rounded.backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in loss.parameters())


def test_labels_that_the_model_lacks_are_refused(classifier: CrossEncoder, scorer: CrossEncoder) -> None:
    """The error says how to build the model."""
    with pytest.raises(ModelError, match="labels up to 3 for 3 scores; expected a score per label"):
        ClassificationLoss(classifier)([ONE], torch.tensor([0, 3]))
    with pytest.raises(ModelError, match="labels up to 0 for 1 scores; expected a score per label and at least 2"):
        ClassificationLoss(scorer)([ONE], torch.tensor([0, 0]))
    with pytest.raises(ModelError, match="regression with a model of 3 labels; expected 1"):
        RegressionLoss(classifier, 5.0)
