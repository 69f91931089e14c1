"""Holes: documents near the top that nobody judged."""

from collections.abc import Sequence

import numpy as np

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import Measure, parse_measure


def hole_rates(qrels: Qrels, run: Run, measures: Sequence[str | Measure]) -> dict[str, float]:
    """Return how many of the first documents nobody judged, averaged over the judged queries that the run answers.

    Args:
        qrels: The judgements.
        run: The rankings.
        measures: Each counts its own first documents, one without a cutoff 10.

    Returns:
        ``{"holes@10": 0.02}``: 1 - ``judged@10``, and so for each cutoff.

    Raises:
        InputError: As `evaluate`.
    """
    parsed = [parse_measure(measure) if isinstance(measure, str) else measure for measure in measures]
    names = dict.fromkeys(map(holes_name, parsed))
    judged = evaluate(qrels, run, [name.replace("holes", "judged") for name in names]).per_query
    answered = np.array([query_id in run for query_id in qrels])
    return {name: 1 - float(judged[name.replace("holes", "judged")][answered].mean()) for name in names}


def holes_name(measure: Measure) -> str:
    """Return which hole rate concerns a measure: ``holes@k``."""
    return f"holes@{measure.cutoff or 10}"
