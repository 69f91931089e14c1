"""A study run: by this process and any other that runs it, until nothing is left; then its report."""

import json
import sys
from pathlib import Path
from typing import Any

from gemma_st.files import write_whole
from gemma_st.study.cells import describe, locked, read_cell, run_cell
from gemma_st.study.config import Study
from gemma_st.study.differences import compare
from gemma_st.study.factors import FACTORS
from gemma_st.study.forest_plot import draw
from gemma_st.study.tables import markdown


def run(study: Study) -> dict[str, Any]:
    """Train and measure every cell that is not finished, and write the report of those that are.

    It is written too where this is interrupted, and a second call goes on. Other processes may run the same study at
    once: cells that they are at are left to them.

    Args:
        study: The study.

    Returns:
        What ``results.json`` holds.

    Raises:
        ModelError: A cell cannot be trained.
    """
    try:
        _run_cells(study)
    finally:
        results = write_report(study)
    return results


def _run_cells(study: Study) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    folder = study.output / "cells"
    console = Console(file=sys.stderr, highlight=False)  # the stream itself: a cell's own is shut off
    columns = TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        place = bar.add_task("", total=len(study.cells), completed=_finished(study, folder))
        ran = True
        while ran:  # again, since a process that was at a cell may have died
            ran = False
            for cell in study.cells:
                bar.update(place, completed=_finished(study, folder))
                if made := run_cell(cell, folder):
                    ran, (measure, value) = True, next(iter(made["measures"].items()))
                    said = f"{cell.task.name}, {describe(cell.settings)}, seed {cell.seed}"
                    line = f"{said}: {measure} {value:.4f}, {made['seconds']:.0f} s"
                    console.print(line, markup=False, soft_wrap=True)


def _finished(study: Study, folder: Path) -> int:
    return sum((folder / f"{cell.name}.json").exists() for cell in study.cells)


def write_report(study: Study) -> dict[str, Any]:
    """Write ``results.json``, ``study.md`` and a picture a question, of the cells that are finished.

    Args:
        study: The study.

    Returns:
        What ``results.json`` holds.
    """
    with locked(study.output / ".report.lock", wait=True):  # whoever is last to finish a cell writes last
        cells = [made for cell in study.cells if (made := read_cell(cell, study.output / "cells"))]
        compared = {name: compare(cells, name, listed=study.factors.get(name, ())) for name in FACTORS}
        questions = {name: rows for name, rows in compared.items() if rows}
        results = {**study.resolved, "missing": len(study.cells) - len(cells), "questions": questions, "cells": cells}
        write_whole(study.output / "results.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        write_whole(study.output / "study.md", markdown(results))
        for name, rows in questions.items():
            write_whole(study.output / f"{name}.svg", draw(name, rows))
    return results
