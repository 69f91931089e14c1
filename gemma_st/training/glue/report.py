"""What people look at: the table, on the terminal and in Markdown, and the card of each model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from gemma_st.training.glue.tasks import HIGHEST, Task

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


def write_task_card(
    directory: Path, task: Task, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> None:
    """Write a saved model's card: what it says of itself, its data, its settings, and the score of each seed.

    Args:
        directory: The saved model.
        task: What it was trained on.
        rows: The task's rows of ``results.json``.
        settings: How it was trained, seeds among them.
    """
    from gemma_st.card import Facts, write_card
    from gemma_st.cross_encoder import CrossEncoder

    write_card(
        directory, CrossEncoder(str(directory)), Facts(base_model=settings["base"], training_data=(_data(task),))
    )
    card = directory / "README.md"
    head, _, _ = card.read_text(encoding="utf-8").partition("## Measured\n")
    seeds = settings["seeds"]
    measured = ["| set | metric | " + " | ".join(f"seed {seed}" for seed in seeds) + " | constant |"]
    measured.append("|---|---|" + "--:|" * (len(seeds) + 1))
    for row in rows:
        for name, values in row["metrics"].items():
            cells = [f"{100 * value:.1f}" for value in values]
            constant = f"{100 * row['baseline'][name]:.1f}"
            measured.append(f"| {row['title']} {row['set']} | {name} | {' | '.join(cells)} | {constant} |")
    scale = "" if task.labels else f" Scores are grades divided by {HIGHEST:g}."
    said = f"This is the model of seed {rows[0]['model_seed']}, the best on dev.{scale}\n\n`{settings['command']}`"
    options = "\n".join(f"| {name} | {value} |" for name, value in settings.items() if name not in ("command", "base"))
    table_of_options = f"| | |\n|---|---|\n{options}"
    text = f"{head}## Training settings\n\n{table_of_options}\n\n## Measured\n\n{said}\n\n" + "\n".join(measured) + "\n"
    card.write_text(text, encoding="utf-8")


def _data(task: Task) -> str:
    return f"{'nyu-mll/glue' if task.suite == 'glue' else 'aps/super_glue'} ({task.config})"
