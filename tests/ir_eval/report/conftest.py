"""A comparison with names that every format must escape."""

import numpy as np
import pytest

from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import Comparison
from ir_eval.evaluation.evaluate import Evaluation

NAMES = ("bm25_rm3|k1=.9 & b=.4", r"\lora{50%} #1 $x^2$ ~v_2", "bge-3 <b>*bold*</b> → [re]rank", "same")


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Four systems, two measures, two baselines; the second baseline is far below, the third system far above."""
    queries = np.array([f"q{number}" for number in range(40)], dtype=np.dtypes.StringDType())
    noise = np.random.default_rng(0).normal(0, 0.05, (4, 40))
    by_ndcg = np.array([0.4, 0.2, 0.7, 0.4])[:, np.newaxis] + noise
    by_ndcg[3] = by_ndcg[0]
    evaluations = {
        name: Evaluation(queries, {"ndcg@10": row, "map-l2": np.full(40, 0.5)})
        for name, row in zip(NAMES, by_ndcg, strict=True)
    }
    holes = {name: {"holes@10": rate} for name, rate in zip(NAMES, (0.0, 0.01, 0.3, 0.0), strict=True)}
    return compare(evaluations, NAMES[:2], holes=holes)
