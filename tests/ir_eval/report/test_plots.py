"""plots: interpolated precision equals trec_eval's, and every score is counted once."""

import numpy as np
import pytest
import pytrec_eval

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.report.plots import precision_at_recall, retrieved_levels, score_distribution
from tests.ir_eval.evaluation.test_evaluate import random_rankings


@pytest.mark.parametrize("level", [1, 2])
def test_equals_trec_eval(level: int) -> None:
    """On 1,000 random rankings with ties, graded, negative and missing judgements, and queries not in the run."""
    judged, ranked = random_rankings(level, 1000)
    truth = pytrec_eval.RelevanceEvaluator(judged, {"iprec_at_recall"}, relevance_level=level).evaluate(ranked)
    expected = [
        sum(scores[f"iprec_at_recall_{recall / 10:.2f}"] for scores in truth.values()) / len(judged)
        for recall in range(11)
    ]
    qrels, run = Qrels.from_dict(judged), Run.from_dict(ranked)
    found = precision_at_recall(qrels, retrieved_levels(qrels, run), level)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_scores_are_counted_once_by_relevance() -> None:
    """All documents of judged queries; a negative grade counts as unjudged."""
    judged, ranked = random_rankings(3, 50)
    qrels, run = Qrels.from_dict(judged), Run.from_dict(ranked)
    found = score_distribution(qrels, run, retrieved_levels(qrels, run), 2)
    kinds: dict[str, list[float]] = {"relevant": [], "judged": [], "unjudged": []}
    for query, documents in ranked.items():
        for document, score in documents.items() if query in judged else ():
            level = judged[query].get(document, -1)
            kinds["relevant" if level >= 2 else "judged" if level >= 0 else "unjudged"].append(score)
    everything = [score for scores in kinds.values() for score in scores]
    assert (found.low, found.high) == (min(everything), np.float32(max(everything)))
    for kind, scores in kinds.items():
        counts, _ = np.histogram(np.float32(scores), len(found.relevant), (found.low, found.high))
        assert getattr(found, kind) == counts.tolist()


def test_equal_scores_are_one_bar() -> None:
    """A run may give every document the same score."""
    qrels = Qrels.from_dict({"q": {"a": 1}})
    run = Run.from_dict({"q": {"a": 2.0, "b": 2.0}})
    found = score_distribution(qrels, run, retrieved_levels(qrels, run))
    assert (sum(found.relevant), sum(found.judged), sum(found.unjudged)) == (1, 0, 1)
    assert found.low < 2 < found.high
