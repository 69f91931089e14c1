"""Tests of the first edition's recipe: start.py writes the models that its stages train."""

import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from first_edition.shapes import StudentConfig, TransplantConfig
from safetensors.torch import load_file

from gemma_st import CrossEncoder, verify_bidirectional
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.conftest import offer_losses
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.training.conftest import same, weights

RECIPE = Path(__file__).parents[3] / "examples/packaged_model"
STAGE = """\
output = "{folder}/{name}"
teacher = "{teacher}"
lists = ["{lists}"]
{more}
[model]
base = "{folder}/start"
[loss]
{loss}
[trainer]
use_cpu = true
max_steps = 2
save_steps = 2
per_device_train_batch_size = 2
learning_rate = 1e-3
seed = 0
disable_tqdm = true
"""
SMALL = {
    "TRANSPLANT": TransplantConfig(vocabulary=300, intermediate_size=120, max_length=64, pairs=8, head=24),
    "STUDENT": StudentConfig(vocabulary=300, layers=3, intermediate_size=32, max_length=64),
}


@pytest.fixture
def begun(teacher: Path, lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a stage and, with start.py and small shapes, the model that it begins with; return the stage's file."""
    project = tomllib.loads((RECIPE / "pyproject.toml").read_text())["project"]
    offer_losses(tmp_path, project["entry-points"]["gemma_st.losses"], monkeypatch)

    def write(kind: str, name: str, *, loss: str, more: str = "") -> Path:
        file = tmp_path / f"{name}.toml"
        file.write_text(STAGE.format(folder=tmp_path, name=name, teacher=teacher, lists=lists, loss=loss, more=more))
        script: dict[str, Any] = runpy.run_path(str(RECIPE / "start.py"))
        script["main"].__globals__.update(SMALL)
        script["main"](kind, str(file))
        return file

    return write


def test_a_transplant_is_written_and_trained(begun: Callable[..., Path], tmp_path: Path) -> None:
    """The trained model is bidirectional, its first layer keeps float32 on disk, and its readings are trained too."""
    more = 'storage = "float8_e4m3fn"\nexact = ["layers.0."]\nrelative_rates = true'
    loss = f'name = "token-states"\nreadings = "{tmp_path}/start/readings.safetensors"'
    trained = train(read_config(begun("transplant", "transplant", loss=loss, more=more)))
    model = CrossEncoder(str(trained))
    verify_bidirectional(model)
    assert next(model.parameters()).dtype == torch.float32
    assert np.isfinite(model.predict(PAIRS)).all()
    before = load_file(tmp_path / "start/readings.safetensors")
    after = load_file(trained / "checkpoints/checkpoint-2/loss.safetensors")
    assert before.keys() <= after.keys()
    assert not after["readings.1.weight"].equal(before["readings.1.weight"])


def test_a_student_is_written_and_trained(begun: Callable[..., Path], tmp_path: Path) -> None:
    """start.py writes the same student from run to run, and the stage trains it with a new head."""
    loss = 'name = "interaction"\nlayers = [[1, 1], [3, 2]]\nattention = 1\nmatches = [0, 1, 2]'
    file = begun("student", "one", loss=loss, more="documents = 2")
    first = weights(tmp_path / "start")
    begun("student", "other", loss=loss, more="documents = 2")
    assert same(first, weights(tmp_path / "start"))
    model = CrossEncoder(str(train(read_config(file))))
    verify_bidirectional(model)
    assert len(model.tokenizer) == 300
    assert np.isfinite(model.predict(PAIRS)).all()
