"""A study that is small enough for a test: a GLUE task and ranking, on a Gemma of two layers."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gemma_st.cli import main
from gemma_st.glue.tasks import TASKS
from tests.gemma_st.glue.conftest import write_files

STUDY = """\
output = "{output}"
seeds = 2
[glue]
tasks = ["sst-2"]
data = "{{data}}/glue"
base = "{base}"
max_length = 32
learning_rate = 1e-3
epochs = 2
batch_size = 8
[ranking]
lists = ["{lists}"]
{dev}
[ranking.model]
base = "{base}"
[ranking.loss]
name = "softmax"
[ranking.trainer]
use_cpu = true
max_steps = 4
save_steps = 2
per_device_train_batch_size = 2
learning_rate = 1e-2
"""
GRID = """
[[grid]]
attention = ["bidirectional", "causal"]
[[grid]]
head = ["mlp", "linear"]
dropout = [0.0]
tasks = ["ranking"]
"""


class Ran(NamedTuple):
    """Exit code, output folder, standard output and standard error of a study."""

    code: int
    output: Path
    printed: str
    said: str

    def results(self) -> dict[str, Any]:
        """Return ``results.json`` without the times, which differ from run to run."""
        found: dict[str, Any] = json.loads((self.output / "results.json").read_text())
        for cell in found["cells"]:
            assert cell.pop("seconds") > 0
        return found


def ablate(file: Path) -> Ran:
    """Run ``gemma-st ablate``."""
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as said:
        code = main(["ablate", str(file), "--data", str(file.parent / "data")])
    return Ran(code, file.with_suffix(""), printed.getvalue(), said.getvalue())


Write = Callable[..., Path]


@pytest.fixture(scope="session")
def study(lists: Path, dev: str, tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Return a function that writes the file and the data of a study."""

    def write(name: str = "study", grid: str = GRID, *, folder: Path | None = None, base: Path = tiny_gemma) -> Path:
        folder = folder or tmp_path_factory.mktemp("study")
        write_files(TASKS["sst-2"], folder / "data/glue", 8)
        path = folder / f"{name}.toml"
        path.write_text(STUDY.format(output=folder / name, base=base, lists=lists, dev=dev) + grid)
        return path

    return write


@pytest.fixture(scope="session")
def whole(study: Write) -> Ran:
    """A study that ran without interruption."""
    return ablate(study())
