"""The section of the HTML report for one collection: the template lays out these values and computes none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ir_eval.cache import file_key
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import CollectionOutcome, Results, SystemOutcome
from ir_eval.progress import progress_bar
from ir_eval.report.changed_queries import ChangedQuery, changed_queries
from ir_eval.report.comparison_tables import UNDEFINED, comparison_notes, comparison_tables, significance_note
from ir_eval.report.plots import precision_at_recall, retrieved_levels, score_distribution
from ir_eval.report.results_tables import results_table
from ir_eval.report.text_table import TextTable

COLOURS = 5  # besides the colour of the baseline; the sixth system has the first colour and another dash pattern
DASHES = 4


class _System(NamedTuple):
    """What the page shows of a system besides the tables."""

    name: str
    label: str  # with the reranked system before it
    style: str  # CSS classes of its lines
    milliseconds: float | None  # for each query
    changed: dict[str, tuple[ChangedQuery, ...]]  # empty for the baseline
    sha256: str | None  # of the run's file


@dataclass(frozen=True)
class Section:
    """The values of one collection.

    Attributes:
        outcome: Outcome on the collection.
        baseline: Name of the baseline.
        min_rel: Lowest relevance grade that counts as relevant.
        systems: Name, label, style, speed, changed queries and hash of each system.
        table: Measures, differences from the baseline, holes and speed.
        details: Comparison of each measure; empty for a single system.
        notes: Explanations of the marks in the table, and of the marks and columns in the details.
        warnings: Warnings of the comparison.
        plots: Values that the page's script draws.

    Example:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", measures=("mrr",)))
        >>> Section.of(results, results.outcomes[0], Path("out")).table.headings
        ('system', 'mrr', 'holes@10', 'ms/query')
    """

    outcome: CollectionOutcome
    baseline: str
    min_rel: int
    systems: tuple[_System, ...]
    table: TextTable
    details: tuple[TextTable, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    plots: dict[str, Any]

    @classmethod
    def of(cls, results: Results, outcome: CollectionOutcome, folder: Path) -> Self:
        """Compute the section.

        Args:
            results: Results of the experiment.
            outcome: Outcome on the collection.
            folder: Folder of the results, for the hashes of the runs.

        Raises:
            InputError: The systems cannot be compared; see [ir_eval.evaluation.compare.compare][].
        """
        min_rel = max(parse_measure(measure).min_rel for measure in outcome.systems[0].evaluation.means)
        comparison, baseline = results.comparisons.get(outcome.folder), results.experiment.baseline
        systems = _systems(results, outcome, folder)
        holes = comparison.holes if comparison else outcome.holes
        more = {
            "holes@10": {name: f"{next(iter(rates.values())):.1%}" for name, rates in holes.items()},
            "ms/query": {system.name: _milliseconds(system.milliseconds) for system in systems},
        }
        return cls(
            outcome=outcome,
            baseline=baseline,
            min_rel=min_rel,
            systems=systems,
            table=results_table(results, outcome, more),
            details=tuple(comparison_tables(outcome.title, comparison, uncorrected=True)[1:]) if comparison else (),
            notes=(significance_note(comparison, baseline), *comparison_notes(comparison)[:2]) if comparison else (),
            warnings=tuple(comparison.warnings) if comparison else (),
            plots=_plots(outcome, systems, min_rel),
        )


def _systems(results: Results, outcome: CollectionOutcome, folder: Path) -> tuple[_System, ...]:
    baseline = results.experiment.baseline
    changed = changed_queries(outcome, next(iter(outcome.systems[0].evaluation.means)), baseline)
    others = iter(range(len(outcome.systems)))
    systems = []
    for system in outcome.systems:
        name = system.run.name
        number = -1 if name == baseline else next(others)
        style = f"c{number % COLOURS + 1} d{number // COLOURS % DASHES}" if number >= 0 else "c0 d0"
        rate = system.queries_per_second
        file = folder / outcome.folder / f"{name}.trec"
        sha256 = file_key(file) if file.is_file() else None
        milliseconds = 1000 / rate if rate else None
        systems.append(_System(name, results.label(name), style, milliseconds, changed.get(name, {}), sha256))
    return tuple(systems)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plots(outcome: CollectionOutcome, systems: tuple[_System, ...], min_rel: int) -> dict[str, Any]:
    """Collect the values of the plots, rounded: a page with thousands of queries must load fast."""
    qrels, topics = outcome.qrels, outcome.collection.topics
    evaluations = outcome.evaluations.values()
    with progress_bar() as bar:
        curves = [_curves(outcome, system, min_rel) for system in bar.track(outcome.systems, description="report")]
    return {
        "systems": [system.name for system in systems],
        "styles": [system.style for system in systems],
        "queries": [(query_id, topics.get(query_id, "")) for query_id in qrels],
        "values": {
            measure: [np.round(evaluation.per_query[measure], 4).tolist() for evaluation in evaluations]
            for measure in outcome.systems[0].evaluation.per_query
        },
        "precision": [precision for precision, _ in curves],
        "scores": [scores for _, scores in curves],
        "milliseconds": [system.milliseconds for system in systems],
    }


def _curves(outcome: CollectionOutcome, system: SystemOutcome, min_rel: int) -> tuple[list[float], dict[str, Any]]:
    levels = retrieved_levels(outcome.qrels, system.run)
    precision = np.round(precision_at_recall(outcome.qrels, levels, min_rel), 4).tolist()
    scores = score_distribution(outcome.qrels, system.run, levels, min_rel)
    rounded = scores._replace(low=float(f"{scores.low:.6g}"), high=float(f"{scores.high:.6g}"))
    return precision, rounded._asdict()
