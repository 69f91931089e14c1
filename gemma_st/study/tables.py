"""The tables of a study, in Markdown and for the terminal: one for each factor, and one of all settings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gemma_st.glue.score_table import markdown_table, spread, terminal_table
from gemma_st.study.factors import FACTORS, label

if TYPE_CHECKING:
    from rich.table import Table

EXPLANATION = """\
Scores and differences are in percent, by the first measure of each task. A difference is the mean over pairs of cells
of the same task and seed, hence with the same data order, that differ in this factor only. Its interval is Student's
95 % interval over these pairs. It covers the noise of training and the influence of the other settings on the
difference; it does not cover the noise of the dev set, and is not corrected for multiple comparisons."""
HEADER = ("task", "measure", "value", "mean", "against", "mean", "difference", "95 % interval", "pairs")
TERMINAL_COLUMNS = (0, 2, 4, 6, 7, 8)


def signed(share: float) -> str:
    """Return a difference in percent with its sign.

    Examples:
        >>> signed(0.012), signed(-0.0001)
        ('+1.2', '0.0')
    """
    spelled = f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")
    return spelled if spelled[1:] != "0.0" else "0.0"


def markdown(results: Mapping[str, Any]) -> str:
    """Return ``study.md`` from ``results.json``.

    Examples:
        >>> print(markdown({"cells": [], "missing": 4, "seeds": 2, "questions": {}}).splitlines()[0])
        0 of 4 cells, 2 seeds.
    """
    cells, missing = results["cells"], results["missing"]
    parts = [f"{len(cells)} of {len(cells) + missing} cells, {results['seeds']} seeds.", EXPLANATION]
    for name, rows in results["questions"].items():
        table = markdown_table(HEADER, [_question_row(row) for row in rows], left=range(3))
        parts += [f"## {name}", table, f"![{name}]({name}.svg)"]
    if cells:
        header, *rows = _settings_table(cells)
        constant = {name: label(cells[0]["settings"][name]) for name in FACTORS if name not in header}
        always = ", ".join(f"{name} {value}" for name, value in constant.items())
        parts += ["## All settings", f"Mean ± standard deviation over seeds.{f' Always: {always}.' if always else ''}"]
        parts.append(markdown_table(header, rows, left=range(len(FACTORS) - len(constant))))
    return "\n\n".join(parts) + "\n"


def question_table(name: str, rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Return the rows of [gemma_st.study.differences.compare][] for one factor as a table for the terminal.

    Examples:
        >>> question_table("head", []).title
        'head'
    """
    header, *cells = ([row[i] for i in TERMINAL_COLUMNS] for row in (HEADER, *map(_question_row, rows)))
    return terminal_table(name, header, cells, left=range(3))


def _question_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the means over the pairs, their difference and its interval, as ``HEADER`` names them."""
    return (
        *(row["task"], row["measure"], row["value"], f"{100 * row['value_mean']:.1f}"),
        *(row["baseline"], f"{100 * row['baseline_mean']:.1f}", signed(row["difference"])),
        " to ".join(map(signed, row["interval"])) if row["interval"] else "–",
        str(row["pairs"]),
    )


def _settings_table(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return a header, and the mean ± standard deviation over seeds: a row for all settings, a column for each task.

    Factors that have one value only are left out. A mean over fewer seeds than others is followed by their number.
    """
    named = [{name: label(cell["settings"][name]) for name in FACTORS} for cell in cells]
    varied = [name for name in FACTORS if len({settings[name] for settings in named}) > 1]
    measures = {cell["task"]: next(iter(cell["measures"])) for cell in cells}
    scores: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for cell, settings in zip(cells, named, strict=True):
        row = scores.setdefault(tuple(settings[name] for name in varied), {})
        row.setdefault(cell["task"], []).append(next(iter(cell["measures"].values())))
    seeds = max(len(values) for row in scores.values() for values in row.values())

    def spelled(values: Sequence[float]) -> str:
        return spread(values) + (f" ({len(values)})" if len(values) < seeds else "") if values else ""

    rows = ((*settings, *(spelled(row.get(task, ())) for task in measures)) for settings, row in scores.items())
    return [(*varied, *(f"{task}, {measure}" for task, measure in measures.items())), *rows]
