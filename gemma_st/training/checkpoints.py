"""What the trainer's checkpoints leave out: a loss's own parameters, and a sign that they are whole."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

FILE = "loss.safetensors"


class LossCheckpoint(TrainerCallback):
    """Save a loss's own parameters beside each checkpoint, and restore them on resuming.

    They are written when all else is, so a checkpoint that has them is whole.

    Args:
        loss: The loss; what belongs to its model is the trainer's business.
    """

    def __init__(self, loss: nn.Module) -> None:
        """Remember the loss."""
        self.loss = loss

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the parameters into the checkpoint just saved."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            save_file(self._own(), folder / f".{FILE}")
            (folder / f".{FILE}").replace(folder / FILE)

    def restore(self, checkpoint: Path | None) -> None:
        """Load the parameters from a checkpoint."""
        if checkpoint:
            self.loss.load_state_dict(load_file(checkpoint / FILE), strict=False)

    def _own(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.loss.state_dict().items() if not name.startswith("model.")}


def last_checkpoint(directory: Path) -> Path | None:
    """Return the last whole checkpoint; one whose writing was cut off is passed over.

    Args:
        directory: The trainer's output directory.
    """
    whole = [path.parent for path in directory.glob(f"checkpoint-*/{FILE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
