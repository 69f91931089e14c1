"""Leaderboards on the terminal: what a row takes to run, and what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ir_eval.leaderboard import Outcome, Row

if TYPE_CHECKING:
    from rich.table import Table


def plan_table(title: str, rows: Sequence[Row]) -> "Table":
    """Lay out rows that are not run: what is missing, or else fetched and built, and how long it takes."""
    table = _table(title, "row", "first stage", "to run it")
    for row in rows:
        _add(table, row.name, row.first_stage, row.missing or row.plan)
    return table


def plan_note(rows: Sequence[Row]) -> str:
    """Say what all rows take together: what several of them need is fetched once."""
    downloads = {name: size for row in rows for name, size in row.downloads.items()}
    fetched = f"downloads {sum(downloads.values()):,} MB, " if downloads else ""
    return f"together: {fetched}about {sum(row.minutes for row in rows)} min on one core"


def outcome_table(title: str, outcomes: Sequence[Outcome]) -> "Table":
    """Lay out what came of rows: a line per figure, what is off in bold."""
    table = _table(title, "row", "measure", "published", "measured", "verdict", figures=("published", "measured"))
    for outcome in outcomes:
        name = outcome.row.name
        if outcome.missing:
            _add(table, name, "", "", "", "not run")
        for measure, verdict in outcome.verdicts.items():
            figures = str(outcome.row.published[measure]), f"{outcome.measured[measure]:.4f}"
            _add(table, name, measure, *figures, verdict, style="" if verdict == "OK" else "bold")
            name = ""
    return table


def outcome_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Say why rows were not run, where the figures are from, and how many rows there are of each sort."""
    missing: dict[str, list[str]] = {}
    for outcome in outcomes:
        missing.setdefault(outcome.missing, []).append(outcome.row.name)
    run = missing.pop("", [])
    off = sum(outcome.off for outcome in outcomes)
    return [
        *(f"{', '.join(names)}: {what}" for what, names in missing.items()),
        *dict.fromkeys(f"published in {outcome.row.source}" for outcome in outcomes if outcome.measured),
        f"{len(run) - off} OK, {off} off, {len(outcomes) - len(run)} not run",
    ]


def _table(title: str, *headings: str, figures: Sequence[str] = ()) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in figures else "left", no_wrap=heading in figures)
    return table


def _add(table: "Table", *cells: str, style: str = "") -> None:
    from rich.text import Text

    table.add_row(*(Text(cell, style=style) for cell in cells))
