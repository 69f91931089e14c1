"""Tests of gemma_st.hub.saving: models are saved atomically, and optionally with narrower weights."""

import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import PAIRS


def test_bf16_on_disk_is_float32_in_the_stock_class(
    tiny_gemma: Path, stock: Callable[..., Any], tmp_path: Path
) -> None:
    """The weights of the backbone are rounded, those of the head are not."""
    model = cross_encoder(tiny_gemma)
    saved = save(model, tmp_path / "saved", storage="bfloat16")
    assert {tensor.dtype for tensor in load_file(saved / "model.safetensors").values()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in load_file(saved / "4_Dense/model.safetensors").values()} == {torch.float32}
    assert (saved / "model.safetensors").stat().st_size < 0.6 * model.transformers_model.num_parameters() * 4
    for parameter in model.transformers_model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    scores, _, _, dtype = stock(saved, PAIRS)
    assert dtype == "torch.float32"
    assert scores == pytest.approx(model.predict(PAIRS).tolist(), abs=1e-6)


def test_saving_changes_no_weight(tiny_gemma: Path, tmp_path: Path) -> None:
    """All weights are equal to the bit."""
    model = cross_encoder(tiny_gemma)
    loaded = CrossEncoder(str(save(model, tmp_path / "saved")), device="cpu")
    assert all(loaded.state_dict()[name].equal(tensor) for name, tensor in model.state_dict().items())


def test_others_on_the_machine_may_read_it(tiny_reranker: Path) -> None:
    """Safetensors itself writes files that only their owner can read."""
    for path in [tiny_reranker, *tiny_reranker.rglob("*")]:
        assert path.stat().st_mode & stat.S_IROTH, path


def test_an_unknown_storage_is_an_error_of_one_line_and_writes_nothing(tiny_gemma: Path, tmp_path: Path) -> None:
    """The directory is not made."""
    with pytest.raises(ModelError, match="storage='int3' is not known; use one of float32, bfloat16, float8_e4m3fn"):
        save(cross_encoder(tiny_gemma), tmp_path / "saved", storage="int3")
    assert not list(tmp_path.iterdir())


def test_a_former_model_is_replaced_and_other_files_stay(tiny_gemma: Path, tmp_path: Path) -> None:
    """Checkpoints, for example, are kept."""
    target = save(cross_encoder(tiny_gemma, pooler={"name": "first", "k": 2}), tmp_path / "saved")
    (target / "checkpoints").mkdir()
    (target / "checkpoints/state").write_text("kept")
    model = cross_encoder(tiny_gemma, pooler="last")
    save(model, target)
    assert CrossEncoder(str(target)).fingerprint() == model.fingerprint()
    assert (target / "checkpoints/state").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_save_that_fails_halfway_leaves_the_former_model(tiny_gemma: Path, tmp_path: Path) -> None:
    """There are no temporary files."""
    former = cross_encoder(tiny_gemma)
    target = save(former, tmp_path / "saved")
    model = cross_encoder(tiny_gemma)
    model[4].save = fail
    with pytest.raises(OSError, match="disk full"):
        save(model, target)
    assert CrossEncoder(str(target)).fingerprint() == former.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_rename_that_fails_brings_the_former_model_back(
    tiny_gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename is the last step of saving."""
    former = cross_encoder(tiny_gemma)
    target, rename = save(former, tmp_path / "saved"), Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, to: fail() if path.name == "model" else rename(path, to))
    for directory in (target, tmp_path / "new"):
        with pytest.raises(OSError, match="disk full"):
            save(cross_encoder(tiny_gemma), directory)
    assert CrossEncoder(str(target)).fingerprint() == former.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_killed_at_any_moment_one_whole_model_is_left_and_the_next_call_mends_the_rest(
    tiny_gemma: Path, tmp_path: Path
) -> None:
    """Each round kills a child process one rename later, until a child survives all renames."""
    target, killed = tmp_path / "saved", 0
    while True:
        former, model = cross_encoder(tiny_gemma), cross_encoder(tiny_gemma)
        save(former, target)
        (target / "checkpoints").mkdir(exist_ok=True)
        if save_until(killed + 1, model, target) == 0:
            break
        killed += 1
        left = target if target.exists() else tmp_path / ".saved.former"
        whole = {former.fingerprint(), model.fingerprint()}
        assert CrossEncoder(str(left)).fingerprint() in whole
        save(model, target)
        assert CrossEncoder(str(target)).fingerprint() == model.fingerprint()
        assert (target / "checkpoints").is_dir()
    assert killed >= 3


def fail(*_: object, **__: object) -> None:
    """Raise the error of a full disk."""
    raise OSError("disk full")


def save_until(moment: int, model: CrossEncoder, target: Path) -> int:
    """Save in a child process that is killed at its ``moment``-th rename below ``target.parent``; return its status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    renames = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal renames
        if event == "os.rename":
            renames += 1
            if renames == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        save(model, target)
    finally:
        os._exit(0)
