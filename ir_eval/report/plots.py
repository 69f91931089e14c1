"""The values of the plots of one run: precision at recall levels, and the distribution of scores by relevance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run

UNJUDGED = -1
RECALL_LEVELS = tuple(step / 10 for step in range(11))
BINS = 40


def retrieved_levels(qrels: Qrels, run: Run) -> list[NDArray[np.int64]]:
    """Return the relevance grades of the ranked documents; an unjudged document and a negative grade are `UNJUDGED`.

    Returns:
        An array (documents,) for each judged query, in the order of ``qrels``; empty if the run lacks the query.

    Examples:
        >>> [levels.tolist() for levels in retrieved_levels(Qrels.read("qrels.txt"), Run.read("bm25.trec"))]
        [[-1, 1], [0]]
    """
    levels = []
    for query_id in qrels:
        judged = {doc_id: level for doc_id, level in qrels[query_id].items() if level >= 0}
        ranked = run[query_id][0].tolist() if query_id in run else []
        levels.append(np.array([judged.get(doc_id, UNJUDGED) for doc_id in ranked], dtype=np.int64))
    return levels


def precision_at_recall(qrels: Qrels, levels: list[NDArray[np.int64]], min_rel: int = 1) -> NDArray[np.float64]:
    """Return the interpolated precision at `RECALL_LEVELS`, an array (11,) of means over all judged queries.

    The interpolated precision at a recall level is the highest precision at this or a higher recall, as in trec_eval's
    ``-c -m iprec_at_recall``.

    Args:
        qrels: Judgements.
        levels: Relevance grades of the run, from `retrieved_levels`.
        min_rel: Lowest grade that counts as relevant, trec_eval's ``-l``.

    Examples:
        >>> qrels, run = Qrels.read("qrels.txt"), Run.read("bm25.trec")
        >>> float(precision_at_recall(qrels, retrieved_levels(qrels, run))[0])
        0.25
    """
    total = np.zeros(len(RECALL_LEVELS))
    for query_id, ranked in zip(qrels, levels, strict=True):
        relevant = sum(level >= min_rel for level in qrels[query_id].values())
        places = np.flatnonzero(ranked >= min_rel)
        precision = np.arange(1, len(places) + 1) / (places + 1)
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)  # best[n]: with more than n relevant found
        needed = [int(recall * relevant + 0.9) for recall in RECALL_LEVELS]  # trec_eval rounds like this
        total += best[np.clip(np.array(needed) - 1, 0, len(places))]
    return total / len(qrels)


class _Scores(NamedTuple):
    """The numbers of documents whose scores fall in each of `BINS` bins of equal width."""

    low: float  # lower edge of the first bin
    high: float  # upper edge of the last bin
    relevant: list[int]  # (BINS,)
    judged: list[int]  # judged not relevant (BINS,)
    unjudged: list[int]  # (BINS,)


def score_distribution(qrels: Qrels, run: Run, levels: list[NDArray[np.int64]], min_rel: int = 1) -> _Scores:
    """Count the scores of all documents ranked for judged queries, by relevance; see `precision_at_recall`.

    Examples:
        >>> qrels, run = Qrels.read("qrels.txt"), Run.read("bm25.trec")
        >>> scores = score_distribution(qrels, run, retrieved_levels(qrels, run))
        >>> scores.low, scores.high, sum(scores.relevant)
        (1.0, 3.0, 1)
    """
    scores = np.concatenate([run[query_id][1] for query_id in qrels if query_id in run]).astype(np.float64)
    level = np.concatenate(levels)
    edges = np.histogram_bin_edges(scores, BINS)
    kinds = (level >= min_rel, (level > UNJUDGED) & (level < min_rel), level == UNJUDGED)
    counts = [np.histogram(scores[kind], edges)[0].tolist() for kind in kinds]
    return _Scores(float(edges[0]), float(edges[-1]), *counts)
