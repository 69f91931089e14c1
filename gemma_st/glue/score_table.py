"""Tables in Markdown and for the terminal, and the table of GLUE scores."""

from collections.abc import Collection, Mapping, Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

HEADER = ("task", "set", "examples", "metric", "mean ± std", "constant", "seeds", "training examples")
TEXT_COLUMNS = (0, 1, 3)  # aligned to the left


def spread(values: Sequence[float]) -> str:
    """Return ``mean ± sample standard deviation`` in percent; of a single value, the value alone.

    Examples:
        >>> spread([0.5, 0.6]), spread([0.5])
        ('55.0 ± 7.1', '50.0')
    """
    deviation = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{deviation}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[int]) -> str:
    """Return a table in Markdown. ``left`` has the places of left-aligned columns; the others are right-aligned.

    Examples:
        >>> print(markdown_table(("task", "score"), [("CoLA", "12.3")], left=[0]))
        | task | score |
        |---|--:|
        | CoLA | 12.3 |
    """
    rule = "|".join("---" if place in left else "--:" for place in range(len(header)))
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def terminal_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[int]
) -> "Table":
    """Return a table for the terminal. ``left`` has the places of left-aligned columns; the others are right-aligned.

    Examples:
        >>> terminal_table("decoder, 1 seed", ("task", "score"), [("CoLA", "12.3")], left=[0]).row_count
        1
    """
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for place, name in enumerate(header):
        longest = max((len(row[place]) for row in rows), default=0)  # headers may wrap, numbers may not
        table.add_column(name, justify="left" if place in left else "right", min_width=longest * (place not in left))
    for row in rows:
        table.add_row(*row)
    return table


def markdown(results: Mapping[str, Any]) -> str:
    """Return ``results.md`` from ``results.json``: the command, the table of scores and the notes on the data.

    Examples:
        >>> row = {"title": "CoLA", "set": "dev", "examples": 9, "train_examples": 90, "note": "",
        ...        "metrics": {"matthews": [0.5, 0.6]}, "baseline": {"matthews": 0.0}}
        >>> print(markdown({"command": "gemma-st glue …", "rows": [row]}).splitlines()[-1])
        | CoLA | dev | 9 | matthews | 55.0 ± 7.1 | 0.0 | 2 | 90 |
    """
    notes = dict.fromkeys(f"- {row['title']}: {row['note']}" for row in results["rows"] if row["note"])
    parts = [f"`{results['command']}`", markdown_table(HEADER, _rows(results), left=TEXT_COLUMNS), "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(results: Mapping[str, Any]) -> "Table":
    """Return the table of scores in ``results.json`` for the terminal.

    Examples:
        >>> table({"config": {"base": "decoder"}, "seeds": [0, 1], "rows": []}).title
        'decoder, 2 seed(s)'
    """
    title = f"{results['config']['base']}, {len(results['seeds'])} seed(s)"
    return terminal_table(title, HEADER, _rows(results), left=TEXT_COLUMNS)


def _rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each set and metric, with the score of a constant prediction."""
    return [
        (
            *(row["title"], row["set"], str(row["examples"]), name, spread(values)),
            *(f"{100 * row['baseline'][name]:.1f}", str(len(values)), str(row["train_examples"])),
        )
        for row in results["rows"]
        for name, values in row["metrics"].items()
    ]
