"""The table on the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ir_eval.evaluation.evaluate import Evaluation

if TYPE_CHECKING:
    from rich.table import Table

    from ir_eval.experiment import Outcome, Results

ANY_WIDTH = 10_000


def results_table(results: "Results", outcome: "Outcome") -> "Table":
    """Lay out one collection: a row per system, a column per measure, the best of each in bold, and queries/s."""
    collection = outcome.collection
    title = f"{collection.name}{f' ({collection.split})' if collection.split else ''}: {len(collection.topics)} topics"
    systems = {results.label(system.run.name): system for system in outcome.systems}
    evaluations = {label: system.evaluation for label, system in systems.items()}
    rates = {label: _rate(system.queries_per_second) for label, system in systems.items()}
    comparison = results.comparisons.get(outcome.folder)
    marks = {row.measure: dict[str, str]() for row in comparison.differences} if comparison else {}
    for row in comparison.differences if comparison else ():
        marks[row.measure][results.label(row.system)] = (
            "" if not row.significant else "↑" if row.difference > 0 else "↓"
        )
    return measures_table(evaluations, title=title, marks=marks, more={"queries/s": rates})


def results_notes(results: "Results") -> list[str]:
    """Say what the marks of `results_table` mean, and which systems the judgements may be unfair to."""
    from ir_eval.report.comparison_tables import test_note

    comparisons = results.comparisons
    marked = [
        comparison for comparison in comparisons.values() if any(row.significant for row in comparison.differences)
    ]
    names = {outcome.folder: outcome.collection.name for outcome in results.outcomes}
    return [
        *(test_note(comparison, results.experiment.baseline) for comparison in marked[:1]),
        *(f"{names[folder]}: {line}" for folder, comparison in comparisons.items() for line in comparison.warnings),
    ]


def measures_table(
    evaluations: Mapping[str, Evaluation],
    *,
    title: str | None = None,
    marks: Mapping[str, Mapping[str, str]] | None = None,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> "Table":
    """Lay out measures to four decimals: a row per system, a column per measure, the best of each in bold.

    Args:
        evaluations: System to its evaluation, all of the same measures.
        title: Above the table.
        marks: Measure to system to a mark behind the figure, of one character.
        more: Further columns: heading to each system's text.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    more, marks = more or {}, marks or {}
    table = Table(title=title and Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("system")
    means = {system: evaluation.means for system, evaluation in evaluations.items()}
    best = {measure: max(row[measure] for row in means.values()) for measure in next(iter(means.values()))}
    for heading in [*best, *more]:
        table.add_column(heading, justify="right", no_wrap=True)
    for system, row in means.items():
        bold = {measure: len(means) > 1 and mean == best[measure] for measure, mean in row.items()}
        cells = [
            Text.assemble((f"{mean:.4f}", "bold" if bold[measure] else ""), _mark(marks.get(measure, {}), system))
            for measure, mean in row.items()
        ]
        table.add_row(Text(system), *cells, *(column[system] for column in more.values()))
    return table


def _mark(marks: Mapping[str, str], system: str) -> str:
    """Return a system's mark, or a blank where only others have one, so that the figures stay in line."""
    return (marks.get(system) or " ") if any(marks.values()) else ""


def rank_note(system: str, evaluation: Evaluation, by_rank: Evaluation) -> str | None:
    """Say what the rank column of a run file would give, or nothing where that shows in no figure.

    Args:
        system: The run's name in the table.
        evaluation: By the scores.
        by_rank: Of the same measures, by the rank column.
    """
    figures, others = _figures(evaluation), _figures(by_rank)
    if figures == others:
        return None
    return f"{system}: by its rank column, which trec_eval ignores: {'  '.join(others)}"


def file_labels(paths: Sequence[str]) -> dict[str, str]:
    """Return path to label: the file's name, or the path where two files have that name."""
    names = Counter(Path(path).name for path in set(paths))
    return {path: name if names[name := Path(path).name] == 1 else path for path in paths}


def show(table: "Table", *notes: str) -> None:
    """Print a table and lines below it. A terminal too narrow for the figures breaks lines; it never cuts a figure."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(highlight=False)
    bounds = Measurement.get(console, console.options.update(width=ANY_WIDTH), table)
    console.width = max(console.width, bounds.minimum if console.is_terminal else bounds.maximum)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)


def _figures(evaluation: Evaluation) -> list[str]:
    return [f"{measure} {mean:.4f}" for measure, mean in evaluation.means.items()]


def _rate(rate: float | None) -> str:
    if rate is None:
        return "–"
    return f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"
