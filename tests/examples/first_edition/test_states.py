"""Tests of first_edition.states, against its formulas written out token by token."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from first_edition.shapes import TransplantConfig
from first_edition.states import StateDistillationLoss
from first_edition.transplant import READINGS, transplant_model
from sentence_transformers import SentenceTransformer

from gemma_st import CrossEncoder, ModelError
from tests.gemma_st.conftest import LICENSE, PAIRS

TEXTS = [" ".join(text.split()) for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
LISTS: list[Any] = [[PAIRS[0][0], PAIRS[1][0]], [[TEXTS[1], TEXTS[2][:90], PAIRS[0][1]], [TEXTS[3][:60]]]]
LABELS = [torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0])]


@pytest.fixture(scope="module")
def directory(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transplant of the tiny teacher."""
    folder = tmp_path_factory.mktemp("states") / "student"
    config = TransplantConfig(vocabulary=300, intermediate_size=120, max_length=64, pairs=16, head=24)
    transplant_model(
        SentenceTransformer(str(teacher), device="cpu"), list(zip(TEXTS, TEXTS, strict=True)), folder, config=config
    )
    return folder


@pytest.fixture
def loss(directory: Path, teacher: Path) -> StateDistillationLoss:
    """The loss, every part weighted 1."""
    model, bert = CrossEncoder(str(directory), device="cpu"), SentenceTransformer(str(teacher), device="cpu")
    weights = {"states": 1.0, "means": 1.0, "scores": 1.0, "labels": 1.0}
    return StateDistillationLoss(model, bert, readings=directory / READINGS, weights=weights)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the mean squared error in units of the variance, no row's above 10."""
    variance = (wanted - wanted.mean(0)).pow(2).sum(1).mean()
    return float(((found - wanted).pow(2).sum(1) / variance).clamp(max=10).mean())


def test_each_part_is_its_formula(loss: StateDistillationLoss) -> None:
    """Pair by pair, the teacher on each text alone."""
    found = loss(LISTS, LABELS)
    [teacher] = loss._teacher
    pieces, scores, cosines = loss.model.tokenizer, [], []
    targets: list[list[Any]] = [[], []]
    readings: list[list[Any]] = [[], []]
    averages: tuple[list[Any], list[Any]] = ([], [])
    for query, document in [(q, d) for q, ds in zip(*LISTS, strict=True) for d in ds]:
        batch = pieces(query, document, truncation="longest_first", max_length=64, return_tensors="pt")
        ids = loss.ids[batch["input_ids"][0]].tolist()
        second = batch["input_ids"][0].tolist().index(4)
        with torch.inference_mode():
            hidden = loss.model[0].model(**batch, output_hidden_states=True).hidden_states
            alone = [
                teacher[0].model(torch.tensor([part]), output_hidden_states=True).hidden_states
                for part in (ids[:second], ids[second:])
            ]
            for place, depth in enumerate((1, 2)):
                normed = loss.model[0].model.layers[depth + 1].input_layernorm(hidden[depth + 1])[0]
                values = loss.model[0].model.layers[-1].self_attn.v_proj(normed)
                readings[place].append(values if depth == 2 else loss.readings[depth](normed[:, :24]))
                targets[place].append(torch.cat([part[depth][0] for part in alone]))
            means = [part[-1][0].mean(0) for part in alone]
            averages[0].extend([values[:second].mean(0), values[second:].mean(0)])
            averages[1].extend(means)
        cosines.append(float(torch.nn.functional.cosine_similarity(*means, dim=0)))
        scores.append(64 * float(loss.model.predict((query, document))))
    errors = [relative(torch.cat(read), torch.cat(states)) for read, states in zip(readings, targets, strict=True)]
    assert float(found["states"]) == pytest.approx(np.mean(errors), rel=1e-3)
    assert float(found["means"]) == pytest.approx(relative(*map(torch.stack, averages)), rel=1e-3)
    wanted, given = (np.exp(np.array(x[:3])) / np.exp(np.array(x[:3])).sum() for x in (20 * np.array(cosines), scores))
    divergence = float((wanted * np.log(wanted / given)).sum()) / 2  # a list of one has none
    distance = 20 * float(np.mean((np.array(scores) / 20 - cosines) ** 2))
    assert float(found["scores"]) == pytest.approx(divergence + distance, rel=1e-3)
    assert float(found["labels"]) == pytest.approx(-np.log(given[2]) / 2, rel=1e-3)


def test_what_is_exact_already_is_not_trained(loss: StateDistillationLoss) -> None:
    """Nor is the teacher; all else is, but for what marks a token's text and place."""
    sum(loss(LISTS, LABELS).values()).backward()
    named = dict(loss.named_parameters())
    still = {name for name, parameter in named.items() if not parameter.requires_grad}
    assert still and all("embed_tokens" in name or "layers.0." in name or name.startswith("first.") for name in still)
    network = loss.model[0].model
    for layer in network.layers[1:]:
        for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight):
            assert weight.grad[:-8].any()
            assert not weight.grad[-8:].any()
    assert loss.readings[1].weight.grad.any()
    assert not any(parameter.requires_grad for parameter in loss._teacher[0].parameters())


def test_the_first_layer_stays_in_full_precision(loss: StateDistillationLoss) -> None:
    """Under autocast, which the others follow."""
    kinds = []
    for layer in (loss.model[0].model.layers[0], loss.model[0].model.layers[1]):
        layer.mlp.gate_proj.register_forward_hook(lambda _, __, output: kinds.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        loss(LISTS, LABELS)
    assert kinds == [torch.float32, torch.bfloat16]


def test_readings_that_are_not_there_are_one_line(directory: Path, teacher: Path) -> None:
    """With the name of the option."""
    model, bert = CrossEncoder(str(directory)), SentenceTransformer(str(teacher))
    with pytest.raises(ModelError, match=r"^\[loss\] readings=absent: cannot be loaded") as error:
        StateDistillationLoss(model, bert, readings="absent")
    assert "\n" not in str(error.value)
