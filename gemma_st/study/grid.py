"""Run all cells of a study, together with any other process that runs the same study, and write the report."""

import json
import sys
from pathlib import Path
from typing import Any

from gemma_st.files import write_whole
from gemma_st.study.cells import describe, locked, run_cell
from gemma_st.study.config import Study
from gemma_st.study.differences import compare
from gemma_st.study.factors import FACTORS
from gemma_st.study.forest_plot import draw
from gemma_st.study.tables import markdown


def run(study: Study) -> dict[str, Any]:
    """Train and evaluate all cells that are not finished, and write the report of the finished cells.

    An interruption also writes the report, and a second call resumes the study. Several processes can run the same
    study at once: a cell that another process runs is skipped. Return the content of ``results.json``.

    Raises:
        ModelError: A cell cannot be trained.

    Example:
        >>> from gemma_st.study.config import read_study
        >>> results = run(read_study("study.toml"))
        >>> [(row["task"], row["baseline"], row["value"]) for row in results["questions"]["attention"]]
        [('sst-2', 'bidirectional', 'causal')]
    """
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
                if result := run_cell(cell, study.output / "cells"):
                    progressed, (measure, value) = True, next(iter(result["measures"].items()))
                    name = f"{cell.task.name}, {describe(cell.settings)}, seed {cell.seed}"
                    line = f"{name}: {measure} {value:.4f}, {result['seconds']:.0f} s"
                    console.print(line, markup=False, soft_wrap=True)


def _files(study: Study) -> list[Path]:
    """Return the file of each cell, which exists once the cell is finished."""
    return [study.output / "cells" / f"{cell.name}.json" for cell in study.cells]


def _write_report(study: Study) -> dict[str, Any]:
    """Write ``results.json``, ``study.md`` and a picture for each factor from the finished cells."""
    with locked(study.output / ".report.lock", wait=True):  # the process that finishes the last cell reports last
        cells = [json.loads(path.read_text(encoding="utf-8")) for path in _files(study) if path.exists()]
        compared = {name: compare(cells, name, listed=study.factors.get(name, ())) for name in FACTORS}
        questions = {name: rows for name, rows in compared.items() if rows}
        results = {**study.resolved, "missing": len(study.cells) - len(cells), "questions": questions, "cells": cells}
        write_whole(study.output / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        write_whole(study.output / "study.md", markdown(results))
        for name, rows in questions.items():
            write_whole(study.output / f"{name}.svg", draw(name, rows))
    return results
