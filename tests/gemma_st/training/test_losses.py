"""Tests of gemma_st.training.losses: the losses that a stage's [loss] table can name."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gemma_st import CrossEncoder, ModelError
from gemma_st.losses.poly1 import Poly1SoftmaxLoss
from gemma_st.training.config import read_config
from gemma_st.training.lists import read_lists, shorten
from gemma_st.training.losses import GROUP, loss_class, make_loss
from gemma_st.training.start import load_teacher
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import same, weights

LOSSES = {
    "distillation": "ScoreDistillationLoss",
    "margin-mse": "MarginMSELoss",
    "pointwise": "PointwiseLoss",
    "poly1": "Poly1SoftmaxLoss",
    "softmax": "SoftmaxLoss",
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_trains_a_decoder_without_a_teacher(ranking: Callable[..., Path], name: str, lists: Path) -> None:
    """After training the relevant document of the training lists scores higher than the others on average."""
    trained = train(read_config(ranking(loss=name, trainer='lr_scheduler_type = "constant"\n')))
    log = json.loads((trained / "training.json").read_text())["log"]
    losses = [entry["loss"] for entry in log if "loss" in entry]
    assert len(losses) == 6
    assert min(losses[3:]) < losses[0]
    rows = [json.loads(line) for line in lists.read_text().splitlines()]
    model = CrossEncoder(str(trained), device="cpu")
    gaps = [scores[0] - scores[1:].mean() for scores in (_scores(model, row) for row in rows)]
    assert sum(gaps) > 0


def _scores(model: CrossEncoder, row: dict[str, list[str]]) -> "object":
    return model.predict([(row["query"], text) for text in row["documents"]])


def test_each_name_is_its_own_formula(ranking: Callable[..., Path], tiny_reranker: Path) -> None:
    """The names of [loss] are the entry points of the library, each with its own class."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    assert set(LOSSES) <= entry_points(group=GROUP).names
    made = {name: make_loss(read_config(ranking(loss=name)), model) for name in LOSSES}
    assert {name: type(loss).__name__ for name, loss in made.items()} == LOSSES


def test_another_packages_loss_gets_the_stages_teacher(stage: Callable[..., Path], tiny_reranker: Path) -> None:
    """A loss with an argument ``teacher`` needs a teacher in the stage."""
    config = read_config(stage())
    assert loss_class(config).__name__ == "TaughtLoss"
    with pytest.raises(ModelError, match=r"^\[loss\] name = 'none' is not known; use one of .*, softmax, .*taught$"):
        loss_class(replace(config, loss={"name": "none"}))
    bi_encoder = load_teacher(str(config.teacher))
    loss = make_loss(config, CrossEncoder(str(tiny_reranker), device="cpu"), teacher=bi_encoder)
    assert loss._teacher == [bi_encoder]
    with pytest.raises(ModelError, match=r'^\[loss\] name = "taught" learns from a bi-encoder; set teacher$'):
        loss_class(replace(config, teacher=None))


def test_options_are_the_losss_own(ranking: Callable[..., Path], tiny_reranker: Path) -> None:
    """All keys of [loss] but the name are arguments of the loss."""
    file = ranking(loss="poly1")
    file.write_text(file.read_text().replace('name = "poly1"', 'name = "poly1"\nepsilon = 3.0\nmini_batch_size = 5'))
    loss = make_loss(read_config(file), CrossEncoder(str(tiny_reranker), device="cpu"))
    assert isinstance(loss, Poly1SoftmaxLoss)
    assert (loss.epsilon, loss.mini_batch_size) == (3.0, 5)
    file.write_text(file.read_text().replace("epsilon", "power"))
    with pytest.raises(ModelError, match=r"^\[loss\] .*unexpected keyword argument 'power'"):
        train(read_config(file))


def test_shorter_lists_are_what_is_trained_on(ranking: Callable[..., Path], lists: Path, tmp_path: Path) -> None:
    """Training with ``documents = 2`` equals training on a file whose lists have those two documents."""
    short = weights(train(read_config(ranking("short", more="documents = 2"))))
    path = tmp_path / "two.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in shorten(read_lists([lists]), 2, seed=42)))
    file = ranking("given")  # the trainer's seed is 42 unless told
    file.write_text(file.read_text().replace(str(lists), str(path)))
    assert same(short, weights(train(read_config(file))))
