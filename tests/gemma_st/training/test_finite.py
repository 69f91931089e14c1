"""Tests of gemma_st.training.finite: training that breaks stops with the number of the step, and writes no model."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gemma_st import CrossEncoder, ModelError
from gemma_st.cli import main
from gemma_st.glue import finetune
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.tasks import TASKS
from gemma_st.losses.classification import ClassificationLoss
from gemma_st.losses.softmax import SoftmaxLoss
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.conftest import offer_losses
from tests.gemma_st.glue.conftest import write_files
from tests.gemma_st.training.test_processes import start_processes

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


@pytest.mark.parametrize(
    ("kind", "more", "trainer", "message"),
    [
        ("norm", "", "logging_steps = 1000\n", "the gradient norm is inf"),
        ("norm", "", 'logging_strategy = "no"\nbf16 = true\n', "the gradient norm is inf"),
        ("value", "lora = { rank = 2 }", "logging_nan_inf_filter = true\n", "the loss is nan"),
        ("gradient", "lora = { rank = 2 }", "max_grad_norm = 0.0\n", "the gradient"),
        ("infinity", "", "bf16 = true\nlogging_nan_inf_filter = false\n", "the loss is inf"),
    ],
)
def test_neither_rare_logs_nor_mixed_precision_nor_adapters_hide_it(
    ranking: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    more: str,
    trainer: str,
    message: str,
) -> None:
    """The norm is checked at every step, whether or not it is logged."""
    offer_losses(tmp_path, {"broken": f"{__name__}:BrokenLoss"}, monkeypatch)
    monkeypatch.setattr(BrokenLoss, "kind", kind)
    monkeypatch.setattr(BrokenLoss, "batch", 0)
    file = ranking(loss="broken", more=more, trainer=trainer)
    own = [line.partition(" =")[0] for line in trainer.splitlines()]
    lines = file.read_text().splitlines()
    kept = [line for n, line in enumerate(lines) if line.partition(" =")[0] not in own or n >= len(lines) - len(own)]
    file.write_text("\n".join(kept))
    with pytest.raises(ModelError, match=f"^step {BROKEN_BATCH}: {message}"):
        train(read_config(file))
    assert not (file.with_suffix("") / "modules.json").exists()


class BrokenClassification(ClassificationLoss):
    """A GLUE loss that breaks in mini-batch `BROKEN_BATCH`."""

    kind, batch = "value", 0

    def formula(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss."""
        type(self).batch += self.training
        return super().formula(scores, labels) * (FACTORS[self.kind] if self.batch == BROKEN_BATCH else 1)


@pytest.mark.parametrize(("kind", "message"), [("value", "the loss is nan"), ("norm", "the gradient norm is inf")])
def test_glue_stops_as_well(
    tiny_gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    """Its trainer logs nothing at all."""
    monkeypatch.setattr(finetune, "ClassificationLoss", BrokenClassification)
    monkeypatch.setattr(BrokenClassification, "kind", kind)
    monkeypatch.setattr(BrokenClassification, "batch", 0)
    write_files(TASKS["sst-2"], tmp_path, 8)
    config = GlueConfig(base=str(tiny_gemma), epochs=1, batch_size=2)
    data = load(TASKS["sst-2"], str(tmp_path))
    with pytest.raises(ModelError, match=f"^step {BROKEN_BATCH}: {message}"):
        finetune.fine_tune(TASKS["sst-2"], data, config, seed=0, checkpoints=tmp_path / "checkpoints")


class BrokenInOneProcess(SoftmaxLoss):
    """A loss that is not finite in the second mini-batch of the second process."""

    batch = 0

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query."""
        self.batch += 1
        broken = torch.distributed.get_rank() == 1 and self.batch == BROKEN_BATCH
        return super().formula(scores, labels, filled) * (torch.nan if broken else 1)


def test_one_of_several_processes_stops_all(
    ranking: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process waits for ever, and no model is written."""
    offer_losses(tmp_path, {"broken": f"{__name__}:BrokenInOneProcess"}, monkeypatch)
    file = ranking(loss="broken")
    ran = start_processes(file)
    assert ran.returncode != 0
    assert "step 2: the loss is nan; expected finite values" in ran.stderr
    assert "model written" not in ran.stdout
    assert not (file.with_suffix("") / "modules.json").exists()


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

    called = getattr(gemma_st, loss)(CrossEncoder(str(tiny_reranker), device="cpu"))
    with pytest.raises(ModelError, match=f'^{loss} with a label of -2; .*"distillation"$'):
        called([["q"], [["d", "e"]]], [torch.tensor([1.0, -2.0])])
