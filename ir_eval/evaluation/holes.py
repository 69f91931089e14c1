"""Holes: unjudged documents among the first documents of a ranking."""

from collections.abc import Sequence

import numpy as np

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import Measure, parse_measure


def hole_rates(qrels: Qrels, run: Run, measures: Sequence[str | Measure]) -> dict[str, float]:
    """Return the share of unjudged documents in the top k, averaged over the judged queries that the run answers.

    Args:
        qrels: Judgements.
        run: Rankings.
        measures: Measures whose cutoffs are the values of k; a measure without a cutoff stands for k = 10.

    Returns:
        ``holes@k`` = 1 - ``judged@k`` for each cutoff.

    Raises:
        InputError: See `evaluate`.

    Example:
        >>> hole_rates(Qrels.read("qrels.txt"), Run.read("bm25.trec"), ["ndcg@10"])
        {'holes@10': 0.25}
    """
    parsed = [parse_measure(measure) if isinstance(measure, str) else measure for measure in measures]
    judged = {holes_name(measure): Measure("judged", measure.cutoff or 10) for measure in parsed}
    shares = evaluate(qrels, run, list(judged.values())).per_query
    answered = np.array([query_id in run for query_id in qrels])
    return {name: 1 - float(shares[str(measure)][answered].mean()) for name, measure in judged.items()}


def holes_name(measure: Measure) -> str:
    """Return the name of the hole rate with a measure's cutoff.

    Example:
        >>> holes_name(Measure("ndcg", 5)), holes_name(Measure("map"))
        ('holes@5', 'holes@10')
    """
    return f"holes@{measure.cutoff or 10}"
