"""Tests of gemma_st.training.losses: what a stage's [loss] can name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import CrossEncoder, ModelError
from gemma_st.losses.poly1 import Poly1SoftmaxLoss
from gemma_st.training.config import read_config
from gemma_st.training.losses import LOSSES, make_loss
from gemma_st.training.ranking import train
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


def test_losses_differ(ranking: Callable[..., Path]) -> None:
    """Each name is another formula."""
    made = [weights(train(read_config(ranking(name, loss=name)))) for name in ("softmax", "poly1", "pointwise")]
    assert not any(same(made[one], made[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


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


def test_shorter_lists_are_what_is_trained_on(ranking: Callable[..., Path], tmp_path: Path) -> None:
    """Of three documents, two: the same as a file of those two."""
    short = weights(train(read_config(ranking("short", more="documents = 2"))))
    assert not same(short, weights(train(read_config(ranking("whole")))))
    assert same(short, weights(train(read_config(ranking("again", more="documents = 2")))))
