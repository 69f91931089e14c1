"""Tests of gemma_st.training.losses: what a stage's [loss] can name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import CrossEncoder, ModelError
from gemma_st.losses.poly1 import Poly1SoftmaxLoss
from gemma_st.training.config import read_config
from gemma_st.training.lists import read_lists, shorten
from gemma_st.training.losses import LOSSES, make_loss
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import same, weights


@pytest.mark.parametrize("name", [name for name, kind in LOSSES.items() if not kind.taught])
def test_each_loss_trains_a_decoder_without_a_teacher(ranking: Callable[..., Path], name: str, lists: Path) -> None:
    """And orders the lists that it is trained on: the mean gap between the relevant document and the others grows."""
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
    """By the classes that have the formulas."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    made = {name: make_loss(read_config(ranking(loss=name)), model, None) for name in LOSSES if not LOSSES[name].taught}
    assert {name: type(loss).__name__ for name, loss in made.items()} == {
        "softmax": "SoftmaxLoss",
        "poly1": "Poly1SoftmaxLoss",
        "pointwise": "PointwiseLoss",
        "distillation": "ScoreDistillationLoss",
        "margin-mse": "MarginMSELoss",
    }


def test_options_are_the_losss_own(ranking: Callable[..., Path], tiny_reranker: Path) -> None:
    """Beside its name."""
    file = ranking(loss="poly1")
    file.write_text(file.read_text().replace('name = "poly1"', 'name = "poly1"\nepsilon = 3.0\nmini_batch_size = 5'))
    loss = make_loss(read_config(file), CrossEncoder(str(tiny_reranker), device="cpu"), None)
    assert isinstance(loss, Poly1SoftmaxLoss)
    assert (loss.epsilon, loss.mini_batch_size) == (3.0, 5)
    file.write_text(file.read_text().replace("epsilon", "power"))
    with pytest.raises(ModelError, match=r"^\[loss\] .*unexpected keyword argument 'power'"):
        train(read_config(file))


def test_shorter_lists_are_what_is_trained_on(ranking: Callable[..., Path], lists: Path, tmp_path: Path) -> None:
    """Of three documents, two: the same as a file with those two."""
    short = weights(train(read_config(ranking("short", more="documents = 2"))))
    path = tmp_path / "two.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in shorten(read_lists([lists]), 2, 42)))
    file = ranking("given")  # the trainer's seed is 42 unless told
    file.write_text(file.read_text().replace(str(lists), str(path)))
    assert same(short, weights(train(read_config(file))))
