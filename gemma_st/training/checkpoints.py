"""Checkpoints of a stage: save the loss's own parameters with each, and find the last complete checkpoint."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import rotate_checkpoints

from gemma_st.files import writing

LOSS_FILENAME = "loss.safetensors"


class LossCheckpoint(TrainerCallback):
    """Save the parameters that belong to the loss, and not to its model, in each checkpoint; restore them on resuming.

    The callback writes its file last, so a checkpoint that contains the file is complete. Only then are the earlier
    checkpoints above ``save_total_limit`` deleted.

    Args:
        loss: The loss. Its attribute ``model`` is the trained model, which the trainer itself saves.

    Examples:
        >>> from torch import nn
        >>> keeper = LossCheckpoint(nn.ModuleDict({"model": nn.Linear(2, 2), "scale": nn.Linear(1, 1)}))
        >>> keeper.restore(last_checkpoint(Path("trained/checkpoints")))  # nothing to restore yet
    """

    def __init__(self, loss: nn.Module) -> None:
        """Keep the loss."""
        self.loss = loss

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the loss's parameters into the checkpoint that the trainer has just saved."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            parameters = {key: t for key, t in self.loss.state_dict().items() if not key.startswith("model.")}
            with writing(folder, "a checkpoint"):
                save_file(parameters, folder / f".{LOSS_FILENAME}")
                (folder / f".{LOSS_FILENAME}").replace(folder / LOSS_FILENAME)
            best = state.best_model_checkpoint
            rotate_checkpoints(args.output_dir, args.save_total_limit, best_model_checkpoint=best, use_mtime=True)

    def restore(self, checkpoint: Path | None) -> None:
        """Load the loss's parameters from a checkpoint; do nothing if there is none."""
        if checkpoint:
            self.loss.load_state_dict(load_file(checkpoint / LOSS_FILENAME), strict=False)


def last_checkpoint(directory: Path) -> Path | None:
    """Return the complete checkpoint with the highest step in a trainer's output directory, or None.

    Examples:
        >>> for name in ("checkpoint-2/loss.safetensors", "checkpoint-4/model.safetensors"):
        ...     Path("run", name).parent.mkdir(parents=True)
        ...     Path("run", name).touch()
        >>> last_checkpoint(Path("run")).name  # step 4 was interrupted while it was saved
        'checkpoint-2'
    """
    complete = [path.parent for path in directory.glob(f"checkpoint-*/{LOSS_FILENAME}")]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
