"""Tests of gemma_st.training.finite: training that breaks stops with the number of the step, and writes no model."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gemma_st import CrossEncoder
from gemma_st.cli import main
from gemma_st.losses.softmax import SoftmaxLoss
from tests.conftest import offer_losses

BROKEN_BATCH = 2
FACTORS = {"value": torch.nan, "infinity": torch.inf, "norm": 1e30, "large": 1e10}


class BrokenLoss(SoftmaxLoss):
    """A loss that has a value or a gradient that is not finite in mini-batch `BROKEN_BATCH`."""

    kind, batch = "value", 0

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query."""
        type(self).batch += 1
        losses = super().formula(scores, labels, filled)
        if self.batch != BROKEN_BATCH:
            return losses
        if self.kind == "gradient":  # the square root of 0 has an infinite gradient
            return losses + (scores - scores.detach()).abs().sum(-1).sqrt()
        return losses * FACTORS[self.kind]


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("value", "the loss is nan"),
        ("infinity", "the loss is inf"),
        ("gradient", "the gradient"),
        ("norm", "the gradient norm is inf"),
    ],
)
def test_a_value_that_is_not_finite_stops_the_stage(
    ranking: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    message: str,
    accumulated: int,
) -> None:
    """Also the second of the mini-batches of a step, and a norm that overflows where no gradient does."""
    offer_losses(tmp_path, {"broken": f"{__name__}:BrokenLoss"}, monkeypatch)
    monkeypatch.setattr(BrokenLoss, "kind", kind)
    monkeypatch.setattr(BrokenLoss, "batch", 0)
    file = ranking(loss="broken", trainer=f"gradient_accumulation_steps = {accumulated}\n")
    assert main(["train", str(file)]) == 2
    out, err = capsys.readouterr()
    assert f"{file.name}: step {BROKEN_BATCH // accumulated}: {message}" in err.splitlines()[-1]
    assert "model written" not in out
    assert not (file.with_suffix("") / "modules.json").exists()
    assert not (file.with_suffix("") / "checkpoints/checkpoint-2").exists()


def test_weights_that_overflow_in_the_last_step_are_not_written(
    ranking: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss and the gradient of that step are finite."""
    offer_losses(tmp_path, {"broken": f"{__name__}:BrokenLoss"}, monkeypatch)
    monkeypatch.setattr(BrokenLoss, "kind", "large")
    monkeypatch.setattr(BrokenLoss, "batch", BROKEN_BATCH - 1)
    file = ranking(loss="broken", trainer='max_grad_norm = 0.0\noptim = "sgd"\nlr_scheduler_type = "constant"\n')
    file.write_text(file.read_text().replace("1e-2", "1e38").replace("max_steps = 6", "max_steps = 1"))
    assert main(["train", str(file)]) == 2
    assert "step 1: the gradient or a weight" in capsys.readouterr().err
    assert not (file.with_suffix("") / "modules.json").exists()


@pytest.mark.parametrize("loss", ["softmax", "poly1", "pointwise"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, float("nan")], "lists.jsonl:1: label nan"),
        ([-1.5, -3], 'lists.jsonl:1: label -1.5; expected relevance of at least 0; .* name = "distillation"'),
        ([0, 0], "lists: 3 of 3 teach [A-Za-z0-9]+ nothing"),
    ],
)
def test_the_command_refuses_labels_that_break_the_loss_or_teach_it_nothing(
    ranking: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    loss: str,
    labels: list[float],
    message: str,
) -> None:
    """The line names the stage's file, and no model is written."""
    row = {"query": "q", "documents": ["d", "e"], "labels": labels}
    (tmp_path / "lists.jsonl").write_text(f"{json.dumps(row)}\n" * 3)
    file = ranking(loss=loss)
    text = "".join(
        f'lists = ["{tmp_path}/lists.jsonl"]\n' if line.startswith("lists") else f"{line}\n"
        for line in file.read_text().splitlines()
    )
    file.write_text(text)
    assert main(["train", str(file)]) == 2
    out, err = capsys.readouterr()
    assert len([line for line in err.splitlines() if line.startswith("gemma-st: error")]) == 1
    assert re.search(message, err)
    assert "model written" not in out
    assert not (file.with_suffix("") / "modules.json").exists()


@pytest.mark.parametrize("loss", ["SoftmaxLoss", "Poly1SoftmaxLoss", "PointwiseLoss"])
def test_a_loss_called_with_labels_below_0_names_the_way_out(tiny_reranker: Path, loss: str) -> None:
    """Also where the caller has a training loop of his own."""
    import gemma_st
    from gemma_st import ModelError

    called = getattr(gemma_st, loss)(CrossEncoder(str(tiny_reranker), device="cpu"))
    with pytest.raises(ModelError, match=f'^{loss} with a label of -2; .*"distillation"$'):
        called([["q"], [["d", "e"]]], [torch.tensor([1.0, -2.0])])
