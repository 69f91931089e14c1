"""What the trainer's checkpoints leave out: the parameters of a loss that is trained itself."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

FILE = "loss.safetensors"


class LossCheckpoint(TrainerCallback):
    """Save a loss's own parameters beside each checkpoint, and restore them on resuming.

    Args:
        loss: The loss; what belongs to its model is the trainer's business.
    """

    def __init__(self, loss: nn.Module) -> None:
        """Remember the loss."""
        self.loss = loss

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the parameters into the checkpoint just saved."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if own := self._own():
            save_file(own, folder / FILE)

    def restore(self, checkpoint: str | None) -> None:
        """Load the parameters from a checkpoint, if it has any."""
        if checkpoint and (Path(checkpoint) / FILE).exists():
            self.loss.load_state_dict(load_file(Path(checkpoint) / FILE), strict=False)

    def _own(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.loss.state_dict().items() if not name.startswith("model.")}
