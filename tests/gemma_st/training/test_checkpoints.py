"""Tests of gemma_st.training.checkpoints."""

from pathlib import Path

import torch
from torch import nn
from transformers import TrainerControl, TrainerState, TrainingArguments

from gemma_st.training.checkpoints import LOSS_FILENAME, LossCheckpoint, last_checkpoint


class Loss(nn.Module):
    """A loss with a model and a parameter of its own."""

    def __init__(self, value: float) -> None:
        """Fill both layers with one value."""
        super().__init__()
        self.model = nn.Linear(2, 2)
        self.own = nn.Linear(2, 2)
        for parameter in self.parameters():
            nn.init.constant_(parameter, value)


def save(loss: nn.Module, folder: Path, step: int, *, first: bool = True) -> Path:
    """Save a checkpoint as the trainer does, in the first process or in another process."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    arguments = TrainingArguments(output_dir=str(folder), use_cpu=True)
    state = TrainerState(global_step=step, is_world_process_zero=first)
    LossCheckpoint(loss).on_save(arguments, state, TrainerControl())
    return checkpoint


def test_the_losss_own_parameters_come_back_and_the_models_are_left_alone(tmp_path: Path) -> None:
    """The values are restored in place, so an optimizer that holds the parameters uses them."""
    checkpoint = save(Loss(1.0), tmp_path, 3)
    loss = Loss(2.0)
    held = loss.own.weight
    LossCheckpoint(loss).restore(checkpoint)
    assert held is loss.own.weight
    assert held.equal(torch.ones(2, 2))
    assert loss.model.weight.equal(torch.full((2, 2), 2.0))
    assert [path.name for path in checkpoint.iterdir()] == [LOSS_FILENAME]


def test_without_a_checkpoint_nothing_changes() -> None:
    """The stage starts for the first time."""
    loss = Loss(2.0)
    LossCheckpoint(loss).restore(None)
    assert loss.own.weight.equal(torch.full((2, 2), 2.0))


def test_a_loss_without_parameters_marks_its_checkpoints_whole_all_the_same(tmp_path: Path) -> None:
    """Without the file the checkpoints of such a loss would never be found."""
    checkpoint = save(nn.Identity(), tmp_path, 3)
    assert last_checkpoint(tmp_path) == checkpoint
    LossCheckpoint(nn.Identity()).restore(checkpoint)


def test_only_one_of_several_processes_writes(tmp_path: Path) -> None:
    """Only the first process writes."""
    assert not list(save(Loss(1.0), tmp_path, 3, first=False).iterdir())


def test_the_last_whole_checkpoint_is_found(tmp_path: Path) -> None:
    """The highest step counts, and incomplete checkpoints of a killed process are ignored."""
    assert last_checkpoint(tmp_path / "absent") is None
    assert last_checkpoint(tmp_path) is None
    for step in (8, 10, 9):
        save(Loss(1.0), tmp_path, step)
    (tmp_path / "checkpoint-11").mkdir()
    (tmp_path / "checkpoint-11/model.safetensors").touch()
    (tmp_path / f"checkpoint-11/.{LOSS_FILENAME}").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
