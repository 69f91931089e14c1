"""Tests of gemma_st.study.grid and of the command: a study is run, interrupted and shared by processes."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from gemma_st.locks import locked
from gemma_st.study.config import read_study
from gemma_st.training.checkpoints import LOSS_FILENAME, LossCheckpoint
from tests.gemma_st.study.conftest import Ran, Write, ablate
from tests.gemma_st.training.conftest import KILLED


def start(file: Path, code: str = "from gemma_st.cli import main; main()") -> "subprocess.Popen[str]":
    """Start the command in a process of its own."""
    command = [sys.executable, "-c", code, "ablate", str(file), "--data", str(file.parent / "data")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, text=True, **pipes)


def names(folder: Path) -> dict[str, int]:
    """Return the names of the files in the folder of cells, with their times of modification."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}


def test_a_study_is_run_and_reported(whole: Ran) -> None:
    """Every cell has its measures, every factor has a table and a picture, and no model is left."""
    assert whole.code == 0
    results = whole.results()
    found = [(cell["seed"], cell["task"], cell["settings"]["attention"]) for cell in results["cells"]]
    once = [("sst-2", "bidirectional"), ("ranking", "bidirectional"), ("sst-2", "causal"), ("ranking", "causal")]
    assert found == [(seed, *cell) for seed in range(2) for cell in [*once, ("ranking", "bidirectional")]]
    assert [cell["settings"]["head"] for cell in results["cells"]] == [*["mlp"] * 4, "linear"] * 2
    assert [list(cell["measures"]) for cell in results["cells"][:2]] == [["accuracy"], ["mrr@10", "ndcg@10"]]
    assert {(name, row["task"], row["pairs"]) for name, rows in results["questions"].items() for row in rows} == {
        ("attention", "sst-2", 2),
        ("attention", "ranking", 2),
        ("head", "ranking", 2),
    }
    files = {path.name for path in whole.output.iterdir()} - {".report.lock"}
    assert files == {"cells", "results.json", "study.md", "attention.svg", "head.svg"}
    assert len(names(whole.output)) == 10
    assert all(name.endswith(".json") for name in names(whole.output))
    assert len([line for line in whole.said.splitlines() if ", seed " in line]) == 10
    assert (
        "sst-2, attention causal, pooler mean, dropout 0, padding_side right, head mlp, seed 1: accuracy " in whole.said
    )
    assert "bidirectional" in whole.printed
    assert whole.printed.endswith(f"results, tables and pictures written to {whole.output}\n")


def test_the_seed_and_the_setting_reach_the_training(whole: Ran) -> None:
    """Ranking models with different seeds, masks and heads have different measures."""
    cells = [cell for cell in whole.results()["cells"] if cell["task"] == "ranking"]
    assert len({json.dumps(cell["measures"]) for cell in cells}) > len(cells) // 2


def test_a_finished_study_is_not_trained_again(whole: Ran, study: Write) -> None:
    """A second call trains nothing and reports the same results."""
    before = names(whole.output)
    again = ablate(whole.output.with_suffix(".toml"))
    assert (again.code, again.said, names(whole.output)) == (0, "", before)
    assert again.results() == whole.results()


def test_a_study_killed_in_a_cell_goes_on_to_the_same_results(whole: Ran, study: Write) -> None:
    """The interrupted cell resumes from its checkpoint; the finished cell is not trained again."""
    file = study()
    killed = start(file, KILLED)
    _, error = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, error[-2000:]
    output = file.with_suffix("")
    before = names(output)
    (done,) = (name for name in before if name.endswith(".json"))
    (cell,) = (path for path in (output / "cells").iterdir() if path.is_dir())
    assert (cell / f"checkpoints/checkpoint-2/{LOSS_FILENAME}").exists()
    assert not (cell / f"checkpoints/checkpoint-4/{LOSS_FILENAME}").exists()
    assert not (output / "results.json").exists()
    resumed = ablate(file)
    assert names(output)[done] == before[done]
    assert resumed.results() == whole.results()
    assert names(output).keys() == names(whole.output).keys()


def test_two_processes_share_the_cells(whole: Ran, study: Write) -> None:
    """Each cell is trained once by one of the processes, and the last to finish reports all cells."""
    file = study()
    processes = [start(file), start(file)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    lines = [line.rpartition(": ")[0] for _, error in said for line in error.splitlines() if ", seed " in line]
    assert len(lines) == len(set(lines)) == 10
    assert Ran(0, file.with_suffix(""), "", "").results() == whole.results()
    assert names(file.with_suffix("")).keys() == names(whole.output).keys()


def test_a_cell_that_another_process_is_at_is_left_to_it(study: Write) -> None:
    """The report covers the other cells and says so; once the lock is free, the cell is trained."""
    file = study(grid='[[grid]]\nattention = ["bidirectional", "causal"]\ntasks = ["sst-2"]\n')
    file.write_text(file.read_text().replace("seeds = 2", "seeds = 1"))
    first, _ = read_study(file, file.parent / "data").cells
    with locked(file.with_suffix("") / f"cells/{first.name}.lock"):
        ran = ablate(file)
    assert ran.code == 0
    assert "1 of 2 cells are still being run by others" in ran.printed
    assert [cell["settings"]["attention"] for cell in ran.results()["cells"]] == ["causal"]
    assert "1 of 2 cells, 1 seeds.\n" in (ran.output / "study.md").read_text()
    assert "others" not in ablate(file).printed
    assert len(ran.results()["cells"]) == 2


def test_ctrl_c_leaves_the_report_of_what_is_finished(
    study: Write, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The exit code is 130, and standard error ends with one line."""
    write = LossCheckpoint.on_save

    def interrupted(self: LossCheckpoint, arguments: object, *rest: object, **options: object) -> None:
        write(self, arguments, *rest, **options)
        if "ranking" in arguments.output_dir:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(LossCheckpoint, "on_save", interrupted)
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores SIGINT
    ran = ablate(study())
    assert (ran.code, ran.printed) == (130, "")
    assert ran.said.splitlines()[-1] == "gemma-st: interrupted; run the same command again to go on"
    assert [cell["task"] for cell in ran.results()["cells"]] == ["sst-2"]


def test_what_cannot_be_trained_names_its_cell(study: Write) -> None:
    """The error names the cell, and earlier results stay."""
    grid = '[[grid]]\npooler = ["mean", { name = "query-probe", heads = 5 }]\ntasks = ["sst-2"]\n'
    ran = ablate(study(grid=grid))
    assert ran.code == 2
    assert "error: sst-2 with attention bidirectional, pooler query-probe heads=5, " in ran.said
    assert "heads=5 does not divide the width 32" in ran.said
    assert len(ran.results()["cells"]) == 1
