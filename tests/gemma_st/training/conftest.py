"""Helpers of the tests of training: a command that is killed while it saves, and the weights of a saved model."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from gemma_st.training.checkpoints import LOSS_FILENAME

# gemma-st, killed when all files of step 4's checkpoint but the last one are written.
KILLED = f"""
import os, signal, sys
def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("checkpoint-4/{LOSS_FILENAME}"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from gemma_st.cli import main
main(sys.argv[1:])
"""


def weights(model: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of a model on disk."""
    files = [path.relative_to(model) for path in model.rglob("*.safetensors")]
    own = [path for path in files if "checkpoints" not in path.parts and path.name != "loss.safetensors"]
    return {f"{path}: {name}": tensor.float() for path in own for name, tensor in load_file(model / path).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal to 1e-6."""
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
