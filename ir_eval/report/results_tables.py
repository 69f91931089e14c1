"""The tables of an experiment's results and of evaluated run files."""

from collections.abc import Mapping

from ir_eval.evaluation.comparison import Difference
from ir_eval.evaluation.evaluate import Evaluation
from ir_eval.experiment import CollectionOutcome, Results
from ir_eval.report.comparison_tables import difference_cell, significance_note
from ir_eval.report.text_table import Cell, TextTable


def measures_table(
    evaluations: Mapping[str, Evaluation],
    *,
    title: str = "",
    differences: Mapping[tuple[str, str], Difference] | None = None,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> TextTable:
    """Return means to four decimals, one row for each system and one column for each measure, the best in bold.

    Args:
        evaluations: Evaluation by system, all of the same measures.
        title: Title of the table.
        differences: Difference to the baseline by system and measure, which gives the mark and the note of a mean.
        more: Further columns: heading to text by system.

    Examples:
        >>> from ir_eval import Qrels, Run, evaluate
        >>> measures_table({"bm25": evaluate(Qrels.read("qrels.txt"), Run.read("bm25.trec"), ["mrr"])}).headings
        ('system', 'mrr')
    """
    means = {system: evaluation.means for system, evaluation in evaluations.items()}
    best = {measure: max(row[measure] for row in means.values()) for measure in next(iter(means.values()))}
    more, known = more or {}, differences or {}
    rows = []
    for system, row in means.items():
        cells = (
            difference_cell(mean, known.get((system, measure)), best=len(means) > 1 and mean == best[measure])
            for measure, mean in row.items()
        )
        rows.append((Cell(system), *cells, *(Cell(column[system]) for column in more.values())))
    return TextTable(title, ("system", *best, *more), tuple(rows))


def results_table(
    results: Results, outcome: CollectionOutcome, more: Mapping[str, Mapping[str, str]] | None = None
) -> TextTable:
    """Return the measures of all systems on one collection, marked where they differ from the baseline.

    Args:
        results: Results of the experiment.
        outcome: Outcome on the collection.
        more: Further columns: heading to text by system; by default the queries per second.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", measures=("mrr",)))
        >>> [cell.text for cell in results_table(results, results.outcomes[0]).rows[0]]
        ['bm25', '0.2500', '–']
    """
    names = {system.run.name: results.label(system.run.name) for system in outcome.systems}
    if more is None:
        more = {"queries/s": {system.run.name: _rate(system.queries_per_second) for system in outcome.systems}}
    comparison = results.comparisons.get(outcome.folder)
    return measures_table(
        {label: outcome.evaluations[name] for name, label in names.items()},
        title=f"{outcome.title}: {len(outcome.collection.topics)} topics",
        differences={(names[row.system], row.measure): row for row in comparison.differences} if comparison else {},
        more={heading: {names[name]: text for name, text in column.items()} for heading, column in more.items()},
    )


def results_notes(results: Results) -> list[str]:
    """Explain the marks of `results_table`, if there are any, and add the warnings of each collection.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results_notes(run_experiment(single("collection", first_stage="bm25.trec")))
        []
    """
    comparisons = results.comparisons
    marked = [found for found in comparisons.values() if any(row.significant for row in found.differences)]
    names = {outcome.folder: outcome.collection.name for outcome in results.outcomes}
    return [
        *(significance_note(comparison, results.experiment.baseline) for comparison in marked[:1]),
        *(f"{outcome.collection.name}: {line}" for outcome in results.outcomes for line in outcome.notes),
        *(f"{names[folder]}: {line}" for folder, comparison in comparisons.items() for line in comparison.warnings),
    ]


def _rate(rate: float | None) -> str:
    if rate is None:
        return "–"
    return f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"
