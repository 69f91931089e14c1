"""Tests of gemma_st.locks: one process writes to a folder, and a lock ends with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.cli import main
from gemma_st.files import writing
from gemma_st.locks import locked, reserved
from tests.gemma_st.conftest import LICENSE

HOLD = """
import sys, time
from pathlib import Path
from gemma_st.locks import reserved
with reserved(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that reserves a folder, and wait until it has."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=LICENSE.parent)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_training_into_a_folder_of_another_process_is_refused_until_that_process_dies(
    tmp_path: Path, tiny_gemma: Path, lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if it is killed; train and glue are refused before a model is loaded."""
    (tmp_path / "stage.toml").write_text(
        f'output = "{tmp_path}/out"\nlists = ["{lists}"]\nmodel = {{ base = "/absent" }}\n'
        'loss = { name = "softmax" }\ntrainer = { use_cpu = true }\n'
    )
    (tmp_path / "data/SST-2").mkdir(parents=True)
    for name in ("train", "dev"):
        (tmp_path / f"data/SST-2/{name}.tsv").write_text("sentence\tlabel\ngood\t1\nbad\t0\n")
    glue = ["glue", "/absent", "--task", "sst-2", "--data", f"{tmp_path}/data", "--out", f"{tmp_path}/out"]
    with hold(tmp_path / "out") as process:
        for command in (["train", f"{tmp_path}/stage.toml"], glue):
            assert main(command) == 2
            line = capsys.readouterr().err.splitlines()[-1]
            assert line.endswith(
                f"{tmp_path}/out: another process writes to it; wait until it ends, or give another folder"
            )
        os.kill(process.pid, signal.SIGKILL)
    assert main(["train", f"{tmp_path}/stage.toml"]) == 2
    assert "/absent" in capsys.readouterr().err  # the folder is free again; the base is not there


def test_a_folder_is_free_after_the_block_and_nothing_is_left(tmp_path: Path) -> None:
    """Also after an error; a folder with files stays."""
    with pytest.raises(KeyError), reserved(tmp_path / "a/b"):
        raise KeyError
    assert not (tmp_path / "a/b").exists()
    with reserved(tmp_path / "a/b"):
        (tmp_path / "a/b/model").touch()
    with reserved(tmp_path / "a/b"):
        pass
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "model"]


def test_a_lock_whose_file_was_deleted_while_it_was_waited_for_is_taken_again(tmp_path: Path) -> None:
    """Two processes must not hold locks of two files that had the same name."""
    path = tmp_path / "lock"
    with locked(path) as ours:
        path.unlink()
        with locked(path) as theirs:  # a new file: the lock of the block above is gone
            assert (ours, theirs) == (True, True)
        with locked(path) as again:
            assert again


@pytest.mark.parametrize("number", [28, 30, 13, 27, 122])  # full, read-only, forbidden, file too large, quota
def test_what_cannot_be_written_says_what_where_why_and_what_to_do(tmp_path: Path, number: int) -> None:
    """Also where a library raises an error of its own during the handling of it."""
    error = OSError(number, os.strerror(number), f"{tmp_path}/part")
    line = f"^{tmp_path}: the model cannot be written .*{os.strerror(number)}.*; free space there or give another"
    with pytest.raises(ModelError, match=line), writing(tmp_path, "the model"):
        raise error
    with pytest.raises(ModelError, match=line), writing(tmp_path, "the model"):
        try:
            raise error
        finally:
            raise RuntimeError("unexpected pos 64 vs 0")


def test_other_errors_pass(tmp_path: Path) -> None:
    """A missing file is not one that cannot be written."""
    for error in (FileNotFoundError(2, "No such file", "x"), RuntimeError("shape"), ModelError("known")):
        with pytest.raises(type(error)) as found, writing(tmp_path, "the model"):
            raise error
        assert found.value is error
