"""The table on the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ir_eval.evaluate import Evaluation

if TYPE_CHECKING:
    from rich.table import Table

    from ir_eval.experiment import Results


def results_table(results: "Results") -> "Table":
    """Lay out an experiment: a row per system, a column per measure, the best of each in bold, and queries/s."""
    collection = results.collection
    title = f"{collection.name}{f' ({collection.split})' if collection.split else ''}: {len(collection.topics)} topics"
    labels = _labels(results)
    rates = [f"{rate:.1f}" if (rate := system.queries_per_second) else "–" for system in results.systems]
    evaluations = dict(zip(labels, (system.evaluation for system in results.systems), strict=True))
    return measures_table(evaluations, title=title, more={"queries/s": dict(zip(labels, rates, strict=True))})


def measures_table(
    evaluations: dict[str, Evaluation], *, title: str | None = None, more: Mapping[str, dict[str, str]] | None = None
) -> "Table":
    """Lay out measures to four decimals: a row per system, a column per measure, the best of each in bold.

    Args:
        evaluations: System to its evaluation, all of the same measures.
        title: Above the table.
        more: Further columns: heading to each system's text.
    """
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("system", no_wrap=True)
    measures = list(next(iter(evaluations.values())).per_query)
    for heading in [*measures, *(more := more or {})]:
        table.add_column(heading, justify="right")
    best = {measure: max(e.means[measure] for e in evaluations.values()) for measure in measures}
    for name, evaluation in evaluations.items():
        cells = [(f"{mean:.4f}", len(evaluations) > 1 and mean == best[m]) for m, mean in evaluation.means.items()]
        marked = (f"[bold]{text}[/bold]" if bold else text for text, bold in cells)
        table.add_row(name, *marked, *(column[name] for column in more.values()))
    return table


def _labels(results: "Results") -> list[str]:
    first, *rest = (system.run.name for system in results.systems)
    return [first, *(f"{first} → {name}" for name in rest)]
