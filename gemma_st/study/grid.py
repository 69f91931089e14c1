"""Run the cells of a study, together with any other process that runs the same study, and write the report."""

import io
import json
import shutil
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.files import write_whole, writing
from gemma_st.hub.training_record import PACKAGES
from gemma_st.locks import locked
from gemma_st.provenance import commit
from gemma_st.settings import read_json
from gemma_st.study.config import Cell, Study
from gemma_st.study.differences import compare
from gemma_st.study.factors import FACTORS, Settings, label
from gemma_st.study.forest_plot import draw
from gemma_st.study.tables import markdown


def run(study: Study) -> dict[str, Any]:
    """Train and evaluate all cells that are not finished, and write the report of the finished cells.

    An interruption also writes the report, and a second call resumes the study. Several processes can run the same
    study at once: a cell that another process runs is skipped. Return the content of ``results.json``.

    Examples:
        >>> from gemma_st.study.config import read_study
        >>> results = run(read_study("study.toml"))
        >>> [(row["task"], row["baseline"], row["value"]) for row in results["questions"]["attention"]]
        [('sst-2', 'bidirectional', 'causal')]
    """
    with writing(study.output, "the study"):
        with locked(study.output / ".report.lock", wait=True):
            pass  # an output that cannot be written to is an error before the first cell
        try:
            _run_cells(study)
        finally:
            results = _write_report(study)
    return results


def _run_cells(study: Study) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, highlight=False)  # the stream itself: a cell's training redirects sys.stderr
    columns = TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        progress = bar.add_task("", total=len(study.cells))
        progressed = True
        while progressed:  # again, because a process that ran a cell may have died
            progressed = False
            for cell in study.cells:
                bar.update(progress, completed=sum(path.exists() for path in _files(study)))
                if result := _run_cell(cell, study.output / "cells"):
                    progressed, (measure, value) = True, next(iter(result["measures"].items()))
                    name = f"{cell.task.name}, {_describe(cell.settings)}, seed {cell.seed}"
                    line = f"{name}: {measure} {value:.4f}, {result['seconds']:.0f} s"
                    console.print(line, markup=False, soft_wrap=True)


def _run_cell(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Train a cell and store its result; return None if the cell is finished or another process runs it."""
    work, lock, path = folder / cell.name, folder / f"{cell.name}.lock", folder / f"{cell.name}.json"
    with locked(lock) as ours:
        if not ours:
            return None
        result = None if path.exists() else _train(cell, work)
        if result:
            write_whole(path, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        shutil.rmtree(work, ignore_errors=True)  # checkpoints and the model
        lock.unlink(missing_ok=True)  # a process that has opened the lock already finds the cell finished
        return result


def _train(cell: Cell, work: Path) -> dict[str, Any]:
    start = time.monotonic()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # hide progress bars and logs
            measures = cell.task.run(cell.settings, seed=cell.seed, folder=work)
    except ModelError as error:
        raise ModelError(f"{cell.task.name} with {_describe(cell.settings)}: {error}") from error
    return {
        "task": cell.task.name,
        "settings": cell.settings,
        "seed": cell.seed,
        "measures": measures,
        "seconds": round(time.monotonic() - start, 1),
        "commit": commit(),
        "versions": {name: version(name) for name in ("gemma-encoder", *PACKAGES)},
    }


def _describe(settings: Settings) -> str:
    """Return settings as log lines and error messages display them: ``attention causal, pooler last k=4``."""
    return ", ".join(f"{name} {label(value)}" for name, value in settings.items())


def _files(study: Study) -> list[Path]:
    """Return the file of each cell, which exists once the cell is finished."""
    return [study.output / "cells" / f"{cell.name}.json" for cell in study.cells]


def _write_report(study: Study) -> dict[str, Any]:
    """Write ``results.json``, ``study.md`` and a picture for each factor from the finished cells."""
    with locked(study.output / ".report.lock", wait=True):  # the process that finishes the last cell reports last
        cells = [read_json(path) for path in _files(study) if path.exists()]
        compared = {name: compare(cells, name, listed=study.factors.get(name, ())) for name in FACTORS}
        questions = {name: rows for name, rows in compared.items() if rows}
        results = {**study.resolved, "missing": len(study.cells) - len(cells), "questions": questions, "cells": cells}
        write_whole(study.output / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        write_whole(study.output / "study.md", markdown(results))
        for name, rows in questions.items():
            write_whole(study.output / f"{name}.svg", draw(name, rows))
    return results
