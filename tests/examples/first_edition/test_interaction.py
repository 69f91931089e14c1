"""Tests of first_edition.interaction, against the formulas of its docstring written out token by token."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from first_edition.interaction import InteractionDistillationLoss
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from torch import Tensor

from gemma_st import ModelError
from gemma_st.build import cross_encoder
from gemma_st.modeling.dropout import DropoutRates, fine_tuning_dropout

LAYERS, ATTENTION, MATCHES, TEMPERATURE = ((1, 1), (3, 2)), 1, (0, 1, 2), 0.05
ONES = {"states": 1.0, "attention": 1.0, "matches": 1.0, "scores": 1.0, "labels": 1.0}
QUERIES = ["what is a work", "patent"]
EVEN = [
    ["Any work based on the Work.", "The license grants a patent.", "Redistribution"],
    ["Each Contributor grants a patent license.", "this work", "copies, in any medium, with or without modifications"],
]
UNEVEN = [EVEN[0], EVEN[1][:1]]


@pytest.fixture
def loss(teacher: Path, student: Path) -> InteractionDistillationLoss:
    """The loss of the tiny student and teacher, its own parameters random, so that none of them is without effect."""
    torch.manual_seed(0)
    model = cross_encoder(student)
    for layer in model[0].model.layers:  # attention that tells tokens apart
        layer.self_attn.q_proj.weight.data *= 50
    made = InteractionDistillationLoss(
        model,
        SentenceTransformer(str(teacher), device="cpu"),
        layers=LAYERS,
        attention=ATTENTION,
        matches=MATCHES,
        temperature=TEMPERATURE,
        weights=ONES,
    )
    for parameter in [*made.maps.parameters(), *made.match.parameters()]:
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def labels(documents: list[list[str]]) -> list[Tensor]:
    """Judge the first document of each list relevant."""
    return [torch.tensor([1.0] + [0.0] * (len(texts) - 1)) for texts in documents]


def values(parts: dict[str, Tensor]) -> dict[str, float]:
    """Return the parts as numbers."""
    return {name: float(value.detach()) for name, value in parts.items()}


@pytest.mark.parametrize("documents", [EVEN, UNEVEN])
def test_equals_the_slow_reference(loss: InteractionDistillationLoss, documents: list[list[str]]) -> None:
    """Each pair alone and unpadded, so padding is proven to be without effect too."""
    with torch.no_grad():
        found, expected = values(loss([QUERIES, documents], labels(documents))), reference(loss, documents)
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert len(found) == 5
    assert all(value > 1e-3 for value in found.values())


def test_weights_scale_the_parts(loss: InteractionDistillationLoss) -> None:
    """Each by its own factor."""
    with torch.no_grad():
        before = values(loss([QUERIES, EVEN], labels(EVEN)))
        loss.weights = {name: 2.0 + place for place, name in enumerate(ONES)}
        after = values(loss([QUERIES, EVEN], labels(EVEN)))
    assert after == pytest.approx({name: before[name] * weight for name, weight in loss.weights.items()})


def test_the_order_within_and_of_the_lists_changes_nothing(loss: InteractionDistillationLoss) -> None:
    """Labels move with their documents."""
    turned = [[texts[i] for i in (2, 0, 1)] for texts in reversed(EVEN)]
    judged = [label[[2, 0, 1]] for label in reversed(labels(EVEN))]
    with torch.no_grad():
        before = values(loss([QUERIES, EVEN], labels(EVEN)))
        after = values(loss([QUERIES[::-1], turned], judged))
    assert after == pytest.approx(before, rel=1e-4)


def test_the_padding_changes_nothing(loss: InteractionDistillationLoss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths are padded to a multiple for the kernels' sake."""
    with torch.no_grad():
        before = values(loss([QUERIES, EVEN], labels(EVEN)))
        monkeypatch.setattr("first_edition.interaction.SHAPES", 64)
        after = values(loss([QUERIES, EVEN], labels(EVEN)))
    assert after == pytest.approx(before, rel=1e-4)


def test_gradients_reach_the_student_and_not_the_teacher(loss: InteractionDistillationLoss) -> None:
    """Every parameter of the student, its head, and the loss; none of the teacher's, which is not even listed."""
    loss.train()
    torch.stack(list(loss([QUERIES, EVEN], labels(EVEN)).values())).sum().backward()
    without = [
        name for name, parameter in loss.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without in ([], ["model.4.linear.bias"])  # the same for each document, so without effect on their order
    [teacher] = loss._teacher
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())
    assert not any("teacher" in name for name in [*loss.state_dict(), *dict(loss.named_parameters())])
    assert not teacher.training


@pytest.mark.parametrize("documents", [EVEN, UNEVEN])
def test_parts_are_finite_fp32_under_bf16_autocast(
    loss: InteractionDistillationLoss, documents: list[list[str]]
) -> None:
    """As training computes them."""
    with torch.no_grad():
        exact = loss([QUERIES, documents], labels(documents))
    loss.train()
    with torch.autocast("cpu", torch.bfloat16):
        parts = loss([QUERIES, documents], labels(documents))
    torch.stack(list(parts.values())).sum().backward()
    assert {value.dtype for value in parts.values()} == {torch.float32}
    assert values(parts) == pytest.approx(values(exact), rel=0.05)
    assert all(torch.isfinite(p.grad).all() for p in loss.parameters() if p.grad is not None)


def test_a_length_that_batches_cannot_be_padded_to_is_one_line(teacher: Path, student: Path) -> None:
    """Before the first step, not in the middle of one."""
    with pytest.raises(ModelError, match="^max_length=40 is no multiple of 16, to which batches are padded$"):
        InteractionDistillationLoss(cross_encoder(student, max_length=40), SentenceTransformer(str(teacher)))


def test_an_empty_document_and_a_truncated_one_stay_finite(loss: InteractionDistillationLoss) -> None:
    """Both occur in mined lists."""
    documents = [["", "license " * 200, "a work"], EVEN[1]]
    with torch.no_grad():
        assert all(np.isfinite(value) for value in values(loss([QUERIES, documents], labels(documents))).values())


def test_dropped_attention_is_refused(loss: InteractionDistillationLoss) -> None:
    """The loss takes the logarithm of attention weights, which dropout sets to zero."""
    with fine_tuning_dropout(loss.model, DropoutRates(attention=0.1)):
        with pytest.raises(ModelError, match=r"^\[dropout\] attention would hide the attention"):
            loss([QUERIES, EVEN], labels(EVEN))


def reference(loss: InteractionDistillationLoss, documents: list[list[str]]) -> dict[str, float]:
    """The five parts in numpy, a pair and a token at a time."""
    states: dict[Any, list[float]] = {}
    attention: dict[Any, list[float]] = {}
    matches: dict[int, list[float]] = {0: [], 1: []}
    divergences, surprises = [], []
    for query, texts in zip(QUERIES, documents, strict=True):
        scores, cosines = [], []
        for text in texts:
            hidden, weights, places, score = student_side(loss, query, text)
            teacher = [teacher_side(loss, text) for text in (query, text)]
            scores.append(score)
            cosines.append(cosine(teacher[0]["pooled"], teacher[1]["pooled"]))
            for side in (0, 1):
                own, other = teacher[side], teacher[1 - side]
                linear = [array(module.weight) for module in loss.maps]
                slope, offset = array(loss.match[side].weight), array(loss.match[side].bias)
                for token, place in enumerate(places[side]):
                    for number, (ours, theirs) in enumerate(LAYERS):
                        distance = 1 - cosine(linear[number] @ hidden[ours][place], own["states"][theirs][token])
                        states.setdefault((side, number), []).append(distance)
                    targets = []
                    for number, layer in enumerate(MATCHES):
                        similar = [cosine(own["states"][layer][token], t) for t in other["states"][layer]]
                        targets.append(max(similar))
                        wanted = np.exp(np.array([0.5, *similar]) / 0.1)
                        wanted /= wanted.sum()
                        given = weights[number][place][[0, *places[1 - side]]]
                        kl = float((wanted * np.log(wanted / np.maximum(given, 1e-6))).sum())
                        attention.setdefault((side, number), []).append(kl)
                    targets.append(cosine(own["states"][-1][token], other["pooled"]))
                    read = slope @ hidden[-1][place] + offset
                    matches[side] += ((read - np.array(targets)) ** 2).tolist()
        wanted, given = softmax(np.array(cosines) / TEMPERATURE), softmax(np.array(scores))
        divergences.append(float((wanted * np.log(wanted / given)).sum()))
        surprises.append(float(-np.log(given[0])))
    return {
        "states": float(np.mean([np.mean(part) for part in states.values()])),
        "attention": float(np.mean([np.mean(part) for part in attention.values()])),
        "matches": float(np.mean([np.mean(part) for part in matches.values()])),
        "scores": float(np.mean(divergences)),
        "labels": float(np.mean(surprises)),
    }


def student_side(loss: InteractionDistillationLoss, query: str, text: str) -> tuple[Any, Any, list[list[int]], float]:
    """Hidden states a layer, attention weights a group of heads, places of either text's tokens, and the score."""
    model = loss.model
    batch = model.tokenizer(query, text, return_tensors="pt")
    output = model[0].model(**batch, output_hidden_states=True, output_attentions=True)
    n, m = (len(model.tokenizer.tokenize(one)) for one in (query, text))
    # <bos> query : … document : … <eos>
    places = [list(range(3, 3 + n)), list(range(5 + n, 5 + n + m))]
    assert batch["input_ids"].shape[1] == 6 + n + m
    hidden = [array(layer[0]) for layer in output.hidden_states]
    heads = array(output.attentions[ATTENTION][0])
    weights = [group.mean(0) for group in np.split(heads, len(MATCHES))]
    return hidden, weights, places, float(model.predict((query, text)))


def teacher_side(loss: InteractionDistillationLoss, text: str) -> dict[str, Any]:
    """States of a text's own tokens a layer, and its mean over these and the special ones."""
    [teacher] = loss._teacher
    pieces = loss.model.tokenizer.tokenize(text)
    ids = teacher.tokenizer.convert_tokens_to_ids(["[CLS]", *pieces, "[SEP]"])
    bert = teacher[0].model
    layers = bert(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    table = array(bert.embeddings.word_embeddings.weight)
    states = [table[ids] - table.mean(0), *(array(layer[0]) for layer in layers[1:])]
    return {"states": [layer[1:-1] for layer in states], "pooled": states[-1].mean(0)}


def array(tensor: Tensor) -> NDArray[np.float64]:
    """Return a tensor in numpy, in double precision."""
    found: NDArray[np.float64] = tensor.detach().double().numpy()
    return found


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the cosine of two vectors."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax of a list."""
    powers: NDArray[np.float64] = np.exp(scores - scores.max())
    return powers / powers.sum()
