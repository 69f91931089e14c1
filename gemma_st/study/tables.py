"""What people read of a study: a table a question and one of all settings, in Markdown and on the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gemma_st.glue.score_table import spread
from gemma_st.study.factors import FACTORS, label

if TYPE_CHECKING:
    from rich.table import Table

HEADER = """\
Scores and differences are in percent, by the first measure of each task. A difference is the mean over pairs of cells
of the same task and seed, hence the same order of data, that differ in this one factor and in no other setting. Its
interval is Student's 95 % interval over these pairs: it covers the noise of training and what the other settings do to
the difference, not the noise of the dev set, and it is not corrected for how many there are."""
ROW = ("task", "measure", "value", "mean", "against", "mean", "difference", "95 % interval", "pairs")


def question_rows(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return a question's table: both means over the pairs, and the difference with its interval.

    Args:
        rows: As [gemma_st.study.differences.compare][] returns them.
    """
    return [
        (
            row["task"],
            row["measure"],
            row["value"],
            f"{100 * row['value_mean']:.1f}",
            row["baseline"],
            f"{100 * row['baseline_mean']:.1f}",
            signed(row["difference"]),
            f"{signed(row['interval'][0])} to {signed(row['interval'][1])}" if row["interval"] else "–",
            str(row["pairs"]),
        )
        for row in rows
    ]


def signed(share: float) -> str:
    """Return a difference in percent, with its sign.

    Args:
        share: The difference.
    """
    spelled = f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")
    return spelled if spelled[1:] != "0.0" else "0.0"


def settings_table(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return mean ± standard deviation over seeds, a row for all settings and a column a task; the first is the head.

    Factors that never change are left out. The number of seeds is behind a mean that has fewer than others.

    Args:
        cells: As they are kept in files; at least one.
    """
    named = [{name: label(cell["settings"][name]) for name in FACTORS} for cell in cells]
    varied = [name for name in FACTORS if len({settings[name] for settings in named}) > 1]
    tasks = list(dict.fromkeys(cell["task"] for cell in cells))
    scores: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for cell, settings in zip(cells, named, strict=True):
        row = scores.setdefault(tuple(settings[name] for name in varied), {})
        row.setdefault(cell["task"], []).append(next(iter(cell["measures"].values())))
    seeds = max(len(values) for row in scores.values() for values in row.values())
    measures = {cell["task"]: next(iter(cell["measures"])) for cell in cells}
    table = [(*varied, *(f"{task}, {measures[task]}" for task in tasks))]
    for settings_, row in scores.items():
        found = [row.get(task, []) for task in tasks]
        few = [f" ({len(values)})" if len(values) < seeds else "" for values in found]
        table.append((*settings_, *(spread(v) + less if v else "" for v, less in zip(found, few, strict=True))))
    return table


def markdown(results: Mapping[str, Any]) -> str:
    """Return ``study.md``.

    Args:
        results: What ``results.json`` holds.
    """
    cells, missing = results["cells"], results["missing"]
    parts = [f"{len(cells)} of {len(cells) + missing} cells, {results['seeds']} seeds.", HEADER]
    for name, rows in results["questions"].items():
        table = _markdown([ROW, *question_rows(rows)], left=3)
        parts += [f"## {name}", table, f"![{name}]({name}.svg)"]
    if cells:
        constant = [name for name in FACTORS if len({label(cell["settings"][name]) for cell in cells}) == 1]
        said = ", ".join(f"{name} {label(cells[0]['settings'][name])}" for name in constant)
        parts += ["## All settings", f"Mean ± standard deviation over seeds.{f' Always: {said}.' if said else ''}"]
        parts.append(_markdown(settings_table(cells), left=len(FACTORS) - len(constant)))
    return "\n\n".join(parts) + "\n"


def _markdown(table: Sequence[Sequence[str]], *, left: int) -> str:
    head, *rows = table
    rule = "|" + "|".join("---" if place < left else "--:" for place in range(len(head))) + "|"
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def question_table(name: str, rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Lay out a question for the terminal.

    Args:
        name: The factor.
        rows: As [gemma_st.study.differences.compare][] returns them.
    """
    from rich import box
    from rich.table import Table

    table = Table(title=name, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    columns = (0, 2, 4, 6, 7, 8)
    for column in columns:
        table.add_column(ROW[column], justify="right" if column > 4 else "left", no_wrap=column > 4)
    for row in question_rows(rows):
        table.add_row(*(row[column] for column in columns))
    return table
