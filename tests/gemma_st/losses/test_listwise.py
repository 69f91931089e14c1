"""Tests of the losses over lists: each equals its formula in numpy, computed list by list."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers.cross_encoder.losses import ListNetLoss

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.losses.distillation import ScoreDistillationLoss
from gemma_st.losses.listwise import PADDED_SCORE, ListLoss
from gemma_st.losses.pointwise import PointwiseLoss
from gemma_st.losses.poly1 import Poly1SoftmaxLoss
from gemma_st.losses.softmax import SoftmaxLoss
from gemma_st.losses.states import StatesLoss

QUERIES = ["what is a work", "patent", "copies"]
DOCUMENTS = [
    ["Any work of authorship, in source or object form.", "a patent", "Redistribution of the Work", "none"],
    ["Each Contributor grants a patent license."],
    ["in any medium, with or without modifications", "copies of the Work", "You may reproduce copies"],
]
LABELS = [[1.0, 0.0, 0.5, 0.0], [1.0], [0.0, 0.0, 0.0]]
Reference = Callable[[NDArray[Any], NDArray[Any]], float]


def log_softmax(values: NDArray[Any]) -> NDArray[Any]:
    """Return log(exp(values) / Σ exp(values)), in float64."""
    return values - np.log(np.exp(values).sum())


def sigmoid(values: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-values))."""
    return 1 / (1 + np.exp(-values))


def poly1(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the series of the cross-entropy, summed term by term, with ε = 0.5 added to its first coefficient."""
    p = np.exp(log_softmax(scores))
    series = sum((1 - p) ** power / power for power in range(1, 4000))
    return float((labels * (series + 0.5 * (1 - p))).sum())


def divergence(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the KL divergence at temperature 2."""
    wanted, found = log_softmax(labels / 2), log_softmax(scores / 2)
    return float((np.exp(wanted) * (wanted - found)).sum())


REFERENCES: dict[str, tuple[type[ListLoss], dict[str, float], Reference]] = {
    "softmax": (SoftmaxLoss, {}, lambda s, y: float(-(y * log_softmax(s)).sum())),
    "poly1": (Poly1SoftmaxLoss, {"epsilon": 0.5}, poly1),
    "pointwise": (
        PointwiseLoss,
        {},
        lambda s, y: float(-(y * np.log(sigmoid(s)) + (1 - y) * np.log(1 - sigmoid(s))).mean()),
    ),
    "distillation": (ScoreDistillationLoss, {"temperature": 2.0}, divergence),
}


@pytest.fixture(scope="module")
def model(tiny_gemma: Path) -> CrossEncoder:
    """A tiny cross-encoder whose scores clearly differ."""
    torch.manual_seed(0)
    made = cross_encoder(tiny_gemma)
    made[-1].linear.weight.data *= 3
    return made.eval()


def tensors(labels: list[list[float]]) -> list[torch.Tensor]:
    """Return labels in the form that the trainer passes."""
    return [torch.tensor(row) for row in labels]


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("mini_batch_size", [3, 32])
def test_equals_its_formula(model: CrossEncoder, name: str, mini_batch_size: int) -> None:
    """The reference scores one pair at a time; the size of the mini-batches changes nothing."""
    kind, options, reference = REFERENCES[name]
    scores = [
        np.array([model.predict((query, text)) for text in texts], dtype=np.float64)
        for query, texts in zip(QUERIES, DOCUMENTS, strict=True)
    ]
    expected = np.mean([reference(s, np.array(y)) for s, y in zip(scores, LABELS, strict=True)])
    with torch.no_grad():
        found = kind(model, mini_batch_size=mini_batch_size, **options)([QUERIES, DOCUMENTS], tensors(LABELS))
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert expected > 1e-3


@pytest.mark.parametrize("name", REFERENCES)
def test_order_changes_nothing(model: CrossEncoder, name: str) -> None:
    """Neither the order within a list nor the order of the lists changes the loss."""
    kind, options, _ = REFERENCES[name]
    loss = kind(model, **options)
    turned = [
        (query, texts[::-1], labels[::-1]) for query, texts, labels in zip(QUERIES, DOCUMENTS, LABELS, strict=True)
    ]
    queries, documents, labels = zip(*reversed(turned), strict=True)
    with torch.no_grad():
        before = loss([QUERIES, DOCUMENTS], tensors(LABELS))
        after = loss([queries, documents], tensors(labels))
    assert float(after) == pytest.approx(float(before), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", REFERENCES)
def test_padded_positions_have_no_gradient(model: CrossEncoder, name: str) -> None:
    """Gradients at filled positions equal finite differences of the formula."""
    kind, options, _ = REFERENCES[name]
    filled = torch.tensor([[True, True, True], [True, True, False]])
    scores = torch.tensor([[0.3, -0.2, 0.9], [0.5, 0.1, PADDED_SCORE]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, 0.0, 0.5], [0.2, 0.8, 0.0]], dtype=torch.float64)
    loss = kind(model, **options)
    loss.formula(scores, labels, filled).sum().backward()
    assert scores.grad is not None
    assert scores.grad[1, 2] == 0
    for place in zip(*torch.nonzero(filled, as_tuple=True), strict=True):
        step = torch.zeros_like(scores).index_put(place, torch.tensor(1e-6, dtype=torch.float64))
        with torch.no_grad():
            rise = (loss.formula(scores + step, labels, filled) - loss.formula(scores - step, labels, filled)).sum()
        assert float(scores.grad[place]) == pytest.approx(float(rise) / 2e-6, abs=1e-6)
        assert scores.grad[place] != 0


def test_softmax_differs_from_the_stock_loss(model: CrossEncoder) -> None:
    """Four equal scores with one relevant document give log 4; stock ListNetLoss applies a softmax to the labels."""
    equal = torch.zeros(1, 4)
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    ours = SoftmaxLoss(model).formula(equal, labels, torch.ones(1, 4, dtype=torch.bool))
    assert float(ours) == pytest.approx(np.log(4))
    with torch.no_grad():
        documents, wanted = [DOCUMENTS[0]], tensors([[1.0, 0.0, 0.0, 0.0]])
        assert float(SoftmaxLoss(model)([QUERIES[:1], documents], wanted)) != pytest.approx(
            float(ListNetLoss(model)([QUERIES[:1], documents], wanted)), rel=1e-3
        )


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_under_bfloat16(model: CrossEncoder, name: str) -> None:
    """Under autocast, the formula receives and returns float32."""
    kind, options, _ = REFERENCES[name]
    loss = kind(model, **options)
    seen: list[torch.dtype] = []
    formula = loss.formula

    def watched(*tensors: torch.Tensor) -> torch.Tensor:
        found = formula(*tensors)
        seen.extend([tensors[0].dtype, tensors[1].dtype, found.dtype])
        return found

    loss.formula = watched
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        loss([QUERIES, DOCUMENTS], tensors(LABELS))
    assert seen == [torch.float32] * 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda m: PointwiseLoss(m)([QUERIES[:1], [["a", "b"]]], tensors([[3.0, 0.0]])),
            "labels from 0 to 3; expected 0",
        ),
        (
            lambda m: SoftmaxLoss(m)([QUERIES[:1], [["a", "b"]]], tensors([[1.0]])),
            r"lists of \[2\] documents with \[1\] labels; expected one label per document",
        ),
        (lambda m: ScoreDistillationLoss(m, temperature=0), "temperature 0; expected a number above 0"),
    ],
)
def test_unusable_labels_and_options_are_refused(
    model: CrossEncoder, make: Callable[[CrossEncoder], Any], message: str
) -> None:
    """The error says what was seen and what was expected."""
    with pytest.raises(ModelError, match=message):
        make(model)


def test_a_model_with_several_labels_is_refused(tiny_gemma: Path) -> None:
    """The scores of a classifier do not rank documents."""
    with pytest.raises(ModelError, match="SoftmaxLoss with a model of 3 labels; expected 1"):
        SoftmaxLoss(cross_encoder(tiny_gemma, labels=3))


def test_states_are_compared_through_the_map(tiny_reranker: Path) -> None:
    """The term is that of numpy, list by list, beside the divergence of the scores; only weight 0 drops it."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    random = np.random.default_rng(0)
    targets = [random.normal(size=(len(texts), 6)).astype(np.float32) for texts in DOCUMENTS]
    labels = [torch.from_numpy(target) for target in targets]
    loss = StatesLoss(model, teacher_width=5, weight=3.0, temperature=2.0, mini_batch_size=3).eval()
    found = float(loss([QUERIES, DOCUMENTS], labels).detach())
    wanted = []
    for query, texts, target in zip(QUERIES, DOCUMENTS, targets, strict=True):
        output = model(model.preprocess([(query, text) for text in texts]))
        mapped = (output["sentence_embedding"] @ loss.map.weight.T + loss.map.bias).detach().numpy()
        states = ((mapped - target[:, 1:]) ** 2).mean()
        wanted.append(divergence(output["scores"].detach().numpy().ravel(), target[:, 0]) + 3 * states)
    assert found == pytest.approx(np.mean(wanted), rel=1e-4)
    loss.weight = 0
    only = ScoreDistillationLoss(model, temperature=2.0).eval()
    scores = float(only([QUERIES, DOCUMENTS], [label[:, 0] for label in labels]).detach())
    assert float(loss([QUERIES, DOCUMENTS], labels).detach()) == pytest.approx(scores, rel=1e-5)
    with pytest.raises(ModelError, match="weight -1.0, teacher_width 5; expected at least 0"):
        StatesLoss(model, teacher_width=5, weight=-1.0)
