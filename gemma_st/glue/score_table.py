"""The table, on the terminal and in Markdown."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("task", "set", "examples", "metric", "mean ± std", "constant", "seeds", "training examples")


def spread(values: Sequence[float]) -> str:
    """Return the mean, and behind ± the sample standard deviation where there are several values, in percent.

    Args:
        values: At least one.
    """
    deviation = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{deviation}"


def lines(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the table's rows: one a set and metric, each with what saying the same of every example reaches.

    Args:
        results: What ``results.json`` holds.
    """
    return [
        (
            row["title"],
            row["set"],
            str(row["examples"]),
            name,
            spread(values),
            f"{100 * row['baseline'][name]:.1f}",
            str(len(values)),
            str(row["train_examples"]),
        )
        for row in results["rows"]
        for name, values in row["metrics"].items()
    ]


def markdown(results: Mapping[str, Any]) -> str:
    """Return the table in Markdown, with the command behind it.

    Args:
        results: What ``results.json`` holds.
    """
    rows = ["| " + " | ".join(COLUMNS) + " |", "|---|---|--:|---|--:|--:|--:|--:|"]
    rows += ["| " + " | ".join(line) + " |" for line in lines(results)]
    notes = dict.fromkeys(f"- {row['title']}: {row['note']}" for row in results["rows"] if row["note"])
    return "\n".join([f"`{results['command']}`", "", *rows, *([""] if notes else []), *notes]) + "\n"


def table(results: Mapping[str, Any]) -> "Table":
    """Lay out the table for the terminal.

    Args:
        results: What ``results.json`` holds.
    """
    from rich.table import Table

    laid_out = Table(title=f"{results['config']['base']}, {len(results['seeds'])} seed(s)")
    for name in COLUMNS:
        laid_out.add_column(name, justify="left" if name in ("task", "set", "metric") else "right")
    for line in lines(results):
        laid_out.add_row(*line)
    return laid_out
