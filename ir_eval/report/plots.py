"""What a report draws of one run: precision at levels of recall, and how scores lie by relevance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run

UNJUDGED = -1
RECALL_LEVELS = tuple(step / 10 for step in range(11))
BINS = 40


def retrieved_levels(qrels: Qrels, run: Run) -> list[NDArray[np.int64]]:
    """Return the relevance of what a run ranks, in its order; `UNJUDGED` also for a negative judgement.

    Returns:
        For each judged query, in the order of ``qrels``; empty where the run has no such query. Each (n,).
    """
    levels = []
    for query_id in qrels:
        judged = {doc_id: level for doc_id, level in qrels[query_id].items() if level >= 0}
        ranked = run[query_id][0].tolist() if query_id in run else []
        levels.append(np.array([judged.get(doc_id, UNJUDGED) for doc_id in ranked], dtype=np.int64))
    return levels


def precision_at_recall(qrels: Qrels, levels: list[NDArray[np.int64]], min_rel: int = 1) -> NDArray[np.float64]:
    """Return the interpolated precision at `RECALL_LEVELS`, averaged over all judged queries.

    That is trec_eval's ``-c -m iprec_at_recall``: the highest precision at this recall or above it.

    Args:
        qrels: The judgements.
        levels: Of the run; see `retrieved_levels`.
        min_rel: The least relevance that counts as relevant, trec_eval's ``-l``.

    Returns:
        (11,)
    """
    total = np.zeros(len(RECALL_LEVELS))
    for query_id, ranked in zip(qrels, levels, strict=True):
        relevant = sum(level >= min_rel for level in qrels[query_id].values())
        places = np.flatnonzero(ranked >= min_rel)
        precision = np.arange(1, len(places) + 1) / (places + 1)
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)  # [n]: at n + 1 relevant or more; 0 beyond
        needed = [int(recall * relevant + 0.9) for recall in RECALL_LEVELS]  # trec_eval's rounding
        total += best[np.clip(np.array(needed) - 1, 0, len(places))]
    return total / len(qrels)


class Scores(NamedTuple):
    """How many documents have a score in each of `BINS` equal bins.

    Attributes:
        low: Where the first bin begins.
        high: Where the last bin ends.
        relevant: Documents judged relevant. (BINS,)
        judged: Documents judged not relevant. (BINS,)
        unjudged: Documents without a judgement. (BINS,)
    """

    low: float
    high: float
    relevant: list[int]
    judged: list[int]
    unjudged: list[int]


def score_distribution(qrels: Qrels, run: Run, levels: list[NDArray[np.int64]], min_rel: int = 1) -> Scores:
    """Count the scores of all documents ranked for judged queries, by relevance.

    Args:
        qrels: The judgements.
        run: The rankings.
        levels: Of the run; see `retrieved_levels`.
        min_rel: The least relevance that counts as relevant.
    """
    scores = np.concatenate([run[query_id][1] for query_id in qrels if query_id in run]).astype(np.float64)
    level = np.concatenate(levels)
    edges = np.histogram_bin_edges(scores, BINS)
    kinds = (level >= min_rel, (level > UNJUDGED) & (level < min_rel), level == UNJUDGED)
    counts = [np.histogram(scores[kind], edges)[0].tolist() for kind in kinds]
    return Scores(float(edges[0]), float(edges[-1]), *counts)
