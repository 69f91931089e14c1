"""What the page says of one collection: every figure of it is computed here, and only laid out by the template."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ir_eval.cache import file_key
from ir_eval.evaluation.comparison import Comparison, Difference
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import Outcome, Results, System
from ir_eval.progress import progress_bar
from ir_eval.report.changed_queries import Moved, most_moved
from ir_eval.report.plots import precision_at_recall, retrieved_levels, score_distribution

COLOURS = 5  # beside the baseline's; then the dashes change
DASHES = 4


@dataclass(frozen=True)
class Row:
    """A system in the table.

    Attributes:
        label: Its name behind that of the system it reranks.
        style: Classes of its lines in the plots.
        system: Its run and measures.
        differences: Measure to its difference from the baseline; empty for the baseline itself.
        holes: Which share of its first 10 documents nobody judged.
        moved: The queries it helped and hurt; None for the baseline.
        sha256: Of its run's file, where that is.
    """

    label: str
    style: str
    system: System
    differences: Mapping[str, Difference]
    holes: float
    moved: Moved | None
    sha256: str | None

    @property
    def name(self) -> str:
        """The system's name."""
        return self.system.run.name

    @property
    def milliseconds(self) -> float | None:
        """How long a query takes, if known."""
        rate = self.system.queries_per_second
        return 1000 / rate if rate else None


@dataclass(frozen=True)
class Section:
    """One collection.

    Attributes:
        outcome: What was found on it.
        baseline: The name of the system that the others are compared with.
        measures: As spelled by `Measure`; the first is the one that matters.
        min_rel: From which relevance on a document is relevant, where that must be yes or no.
        rows: The systems, in the experiment's order.
        comparison: Of all with the baseline; None for a system alone.
        plots: What the script draws, as JSON has it.
    """

    outcome: Outcome
    baseline: str
    measures: tuple[str, ...]
    min_rel: int
    rows: tuple[Row, ...]
    comparison: Comparison | None
    plots: dict[str, Any]

    @classmethod
    def of(cls, results: Results, outcome: Outcome, folder: Path) -> Self:
        """Compute all that is shown.

        Args:
            results: What the outcome is part of.
            outcome: Of one collection.
            folder: Where the experiment was written, for the hashes of its runs.

        Raises:
            InputError: As `compare`.
        """
        experiment = results.experiment
        measures = tuple(outcome.systems[0].evaluation.means)
        min_rel = max(parse_measure(measure).min_rel for measure in measures)
        comparison = results.comparisons.get(outcome.folder)
        holes = comparison.holes if comparison else outcome.holes
        rows = _rows(results, outcome, folder, comparison=comparison, holes=holes)
        plots = _plots(outcome, rows, min_rel) | {"baseline": [row.name for row in rows].index(experiment.baseline)}
        return cls(outcome, experiment.baseline, measures, min_rel, rows, comparison, plots)

    @property
    def title(self) -> str:
        """The collection's name and split."""
        collection = self.outcome.collection
        return f"{collection.name} ({collection.split})" if collection.split else collection.name

    @property
    def best(self) -> dict[str, float]:
        """Measure to the highest mean, where there is more than one system."""
        if len(self.rows) < 2:
            return {}
        return {measure: max(row.system.evaluation.means[measure] for row in self.rows) for measure in self.measures}


def _rows(
    results: Results,
    outcome: Outcome,
    folder: Path,
    *,
    comparison: Comparison | None,
    holes: Mapping[str, Mapping[str, float]],
) -> tuple[Row, ...]:
    baseline = results.experiment.baseline
    measures = tuple(outcome.systems[0].evaluation.means)
    moved = most_moved(outcome, measures[0], baseline)
    against = {measure: comparison.against(measure, baseline) for measure in measures} if comparison else {}
    others = iter(range(len(outcome.systems)))
    rows = []
    for system in outcome.systems:
        name = system.run.name
        file = folder / outcome.folder / f"{name}.trec"
        rows.append(
            Row(
                results.label(name),
                "c0 d0" if name == baseline else _style(next(others)),
                system,
                {measure: found[name] for measure, found in against.items() if name in found},
                next(iter(holes[name].values())),
                moved.get(name),
                file_key(file) if file.is_file() else None,
            )
        )
    return tuple(rows)


def _style(number: int) -> str:
    return f"c{number % COLOURS + 1} d{number // COLOURS % DASHES}"


def _plots(outcome: Outcome, rows: tuple[Row, ...], min_rel: int) -> dict[str, Any]:
    """Collect what the script draws, in few digits: thousands of queries must open at once."""
    qrels, topics = outcome.qrels, outcome.collection.topics
    precision, scores = [], []
    with progress_bar() as bar:
        for row in bar.track(rows, description="report"):
            levels = retrieved_levels(qrels, row.system.run)
            precision.append(np.round(precision_at_recall(qrels, levels, min_rel), 4).tolist())
            found = score_distribution(qrels, row.system.run, levels, min_rel)
            scores.append(found._replace(low=float(f"{found.low:.6g}"), high=float(f"{found.high:.6g}"))._asdict())
    evaluations = [row.system.evaluation for row in rows]
    return {
        "systems": [row.name for row in rows],
        "styles": [row.style for row in rows],
        "queries": [(query_id, topics.get(query_id, "")) for query_id in qrels],
        "values": {
            measure: [np.round(evaluation.per_query[measure], 4).tolist() for evaluation in evaluations]
            for measure in evaluations[0].per_query
        },
        "precision": precision,
        "scores": scores,
        "milliseconds": [row.milliseconds for row in rows],
    }
