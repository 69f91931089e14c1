"""A training stage small enough for a test."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gemma_st.training.checkpoints import FILE

# gemma-st, dying at the moment when step 4's checkpoint is written but for its last file.
KILLED = f"""
import os, signal, sys
def watch(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("checkpoint-4/{FILE}"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from gemma_st.cli import main
main(sys.argv[1:])
"""
STAGE = """\
output = "{output}"
teacher = "{teacher}"
lists = ["{lists}"]
model = {{ {model} }}
loss = {{ name = "interaction", layers = [[1, 1], [3, 2]], attention = 1, matches = [0, 1, 2] }}
dropout = {{ head = 0.3, feed_forward = 0.1 }}
{more}
[trainer]
use_cpu = true
max_steps = 6
save_steps = 2
logging_steps = 1
per_device_train_batch_size = 2
learning_rate = 1e-2
disable_tqdm = true
"""
STUDENT = "student = { vocabulary = 300, layers = 3, intermediate_size = 32, max_length = 64 }"


@pytest.fixture(scope="session")
def fresh_reranker(student: Path) -> Path:
    """A saved reranker of the tiny student, to train further."""
    import torch

    from gemma_st.build import cross_encoder
    from gemma_st.hub.saving import save

    torch.manual_seed(0)
    return save(cross_encoder(student), student.parent / "fresh-reranker")


@pytest.fixture
def stage(teacher: Path, lists: Path, fresh_reranker: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a stage's file; without arguments, one that trains ``fresh_reranker`` further."""

    def write(name: str = "stage", *, model: str | None = None, more: str = "", trainer: str = "") -> Path:
        path = tmp_path / f"{name}.toml"
        base = f'base = "{fresh_reranker}"' if model is None else model
        text = STAGE.format(output=tmp_path / name, teacher=teacher, lists=lists, model=base, more=more)
        path.write_text(text + trainer)
        return path

    return write


RANKING = """\
output = "{output}"
lists = ["{lists}"]
{more}
[model]
base = "{base}"
{model}
[loss]
name = "{loss}"
[trainer]
use_cpu = true
max_steps = 6
save_steps = 2
logging_steps = 1
per_device_train_batch_size = 2
learning_rate = 1e-2
disable_tqdm = true
"""


@pytest.fixture
def ranking(lists: Path, tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the file of a stage that trains ``tiny_gemma`` on lists, without a teacher."""

    def write(
        name: str = "ranking", *, loss: str = "softmax", base: Path | None = None, more: str = "", **parts: str
    ) -> Path:
        path = tmp_path / f"{name}.toml"
        given = {"output": tmp_path / name, "lists": lists, "base": base or tiny_gemma, "model": parts.get("model", "")}
        path.write_text(RANKING.format(**given, loss=loss, more=more) + parts.get("trainer", ""))
        return path

    return write


def weights(model: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of a model on disk."""
    files = [path.relative_to(model) for path in model.rglob("*.safetensors")]
    own = [path for path in files if "checkpoints" not in path.parts and path.name != "loss.safetensors"]
    return {f"{path}: {name}": tensor.float() for path in own for name, tensor in load_file(model / path).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal to 1e-6."""
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
