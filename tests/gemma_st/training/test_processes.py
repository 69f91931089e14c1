"""Tests of a stage under accelerate launch: several processes train one model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
import yaml
from safetensors.torch import load_file

from gemma_st import CrossEncoder, ModelError
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.conftest import LICENSE, PAIRS
from tests.gemma_st.training.conftest import same, weights

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "examples/accelerate"
SHARDED = "tests.gemma_st.training.sharded"  # gemma_st with sharding on CPUs


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Eight lists of two to five documents: the processes score different numbers of mini-batches."""
    texts = [" ".join(text.split())[:200] for text in LICENSE.read_text().split("\n\n") if len(text) > 100]
    sizes = [2, 5, 3, 4, 5, 2, 2, 3]
    rows = [
        {"query": texts[i][:30], "documents": texts[i : i + size], "labels": [1] + [0] * (size - 1)}
        for i, size in enumerate(sizes)
    ]
    path = tmp_path / "uneven.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def launch(file: Path, config: str = "ddp.yaml", module: str = "gemma_st") -> str:
    """Run a stage in two processes, and return standard output."""
    ran = start_processes(file, config, module)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def start_processes(
    file: Path, config: str = "ddp.yaml", module: str = "gemma_st"
) -> "subprocess.CompletedProcess[str]":
    """Run a stage in two processes; ``use_cpu`` in the stage selects CPUs."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIGS / config)]
    command += ["--num_processes", "2", "-m", module, "train", str(file)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(("config", "module"), [("ddp.yaml", "gemma_st"), ("fsdp.yaml", SHARDED)])
def test_two_processes_learn_what_one_does_with_twice_the_batch(
    ranking: Callable[..., Path], uneven: Path, lists: Path, dev: str, config: str, module: str
) -> None:
    """Twenty steps with Adam give the same weights and measures, and only one process writes files."""
    files = []
    for name, size in (("one", 4), ("two", 2)):
        # With its default epsilon Adam would turn rounding errors into steps of full size.
        file = ranking(name, more=dev.replace("steps = 2", "steps = 10"), trainer="adam_epsilon = 1e-5\n")
        text = file.read_text().replace(str(lists), str(uneven)).replace("size = 2", f"size = {size}")
        text = text.replace("max_steps = 6\nsave_steps = 2", "max_steps = 20\nsave_steps = 10").replace("1e-2", "1e-3")
        file.write_text(text.replace('name = "softmax"', 'name = "softmax"\nmini_batch_size = 4'))
        files.append(file)
    one = train(read_config(files[0]))
    out = launch(files[1], config, module)
    two = files[1].with_suffix("")
    assert out.count("model written to") == 1
    left, right = weights(one), weights(two)
    assert left.keys() == right.keys()
    worst = max(float((left[name] - right[name]).abs().max()) for name in left)
    assert worst < 1e-4
    logs = [json.loads((directory / "training.json").read_text()) for directory in (one, two)]
    measured = [[entry["eval_mrr@10"] for entry in log["log"] if "eval_mrr@10" in entry] for log in logs]
    assert measured[0] == pytest.approx(measured[1], abs=1e-6)
    assert (logs[0]["stage"]["processes"], logs[1]["stage"]["processes"]) == (1, 2)
    assert all(torch.isfinite(tensor).all() for tensor in right.values())
    settings = [{path.name: path.read_text() for path in directory.glob("*config*.json")} for directory in (one, two)]
    assert settings[0] == settings[1]
    stock = sentence_transformers.CrossEncoder(str(two), device="cpu")
    assert stock.predict(PAIRS) == pytest.approx(CrossEncoder(str(one), device="cpu").predict(PAIRS), abs=1e-4)


def test_a_loss_over_triples_trains_in_two_processes(ranking: Callable[..., Path], uneven: Path, lists: Path) -> None:
    """Such a loss calls the model twice before each backward pass."""
    file = ranking(loss="margin-mse")
    file.write_text(file.read_text().replace(str(lists), str(uneven)).replace("max_steps = 6", "max_steps = 3"))
    assert "model written to" in launch(file)


def test_processes_share_the_work_of_the_teacher_and_train_one_map(
    ranking: Callable[..., Path],
    uneven: Path,
    lists: Path,
    tiny_reranker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes learn what one process does with twice the batch, and no pair is scored twice."""
    more, files = f'teacher = "{tiny_reranker}"\n', {}
    for name, size in (("two", 2), ("one", 4)):
        monkeypatch.setenv("GEMMA_ST_CACHE", str(tmp_path / f"cache-{name}"))
        file = ranking(name, loss="states", more=more, trainer="adam_epsilon = 1e-5\n")
        text = file.read_text().replace(str(lists), str(uneven)).replace("size = 2", f"size = {size}")
        file.write_text(text.replace("max_steps = 6", "max_steps = 4").replace("1e-2", "1e-3"))
        files[name] = train(read_config(file)) if name == "one" else file.with_suffix("")
        if name == "two":
            launch(file)
    left, right = (weights(files[name]) for name in ("one", "two"))
    assert max(float((left[name] - right[name]).abs().max()) for name in left) < 1e-4
    maps = [load_file(files[name] / "checkpoints/checkpoint-4/loss.safetensors") for name in ("one", "two")]
    assert maps[0]["map.weight"].numpy() == pytest.approx(maps[1]["map.weight"].numpy(), abs=1e-4)
    scored = [sum(len(np.load(path)["keys"]) for path in (tmp_path / f"cache-{name}").rglob("*.npz")) for name in files]
    assert scored[0] == scored[1] == 26
    assert len(list((tmp_path / "cache-two").rglob("*.npz"))) == 2


def test_a_cut_off_stage_in_shards_resumes_to_the_weights_of_a_whole_one(
    ranking: Callable[..., Path], uneven: Path, lists: Path
) -> None:
    """Optimizer and random state are restored, also with adapters; a stage without shards cannot resume it."""
    file = ranking(more="dropout = { head = 0.3, feed_forward = 0.1 }\nlora = { rank = 2 }\n")
    file.write_text(file.read_text().replace(str(lists), str(uneven)).replace("max_steps = 6", "max_steps = 4"))
    launch(file, "fsdp.yaml", SHARDED)
    directory = file.with_suffix("")
    whole = weights(directory)
    for part in ("adapter_model.safetensors", "checkpoints/checkpoint-4"):
        (directory / part).rename(file.parent / Path(part).name)
    launch(file, "fsdp.yaml", SHARDED)
    assert same(whole, weights(directory))
    with pytest.raises(ModelError, match="of a stage that differs in processes, sharded"):
        train(read_config(file))


def test_stages_that_cannot_be_sharded_are_refused_in_one_line(
    ranking: Callable[..., Path], stage: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sharding by [trainer], other FSDP settings, a loss with a teacher, and sharding on CPUs are errors."""
    with pytest.raises(
        ModelError,
        match=r"^\[trainer\] fsdp: remove it, and run .* launch --config_file examples/accelerate/fsdp.yaml$",
    ):
        train(read_config(ranking(trainer="fsdp = true\n")))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    for name, value in yaml.safe_load((CONFIGS / "fsdp.yaml").read_text())["fsdp_config"].items():
        monkeypatch.setenv(name.upper(), str(value).lower() if isinstance(value, bool) else str(value))
    with pytest.raises(
        ModelError, match=r"^\[loss\] name = 'taught' takes a teacher and reads the layers of a whole model"
    ):
        train(read_config(stage()))
    with pytest.raises(
        ModelError, match=r"fsdp.yaml: accelerate shards a model over several GPUs only; use .*/ddp.yaml$"
    ):
        train(read_config(ranking()))
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(ModelError, match=r"^fsdp_version: 1 for accelerate; expected 2, as in .*/fsdp.yaml$"):
        train(read_config(ranking()))
