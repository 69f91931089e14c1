"""Values given to the Python functions: runs, qrels, fusion, settings, and the pairs and queries of a model."""

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gemma_st.glue.config import GlueConfig
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment import parse_experiment
from ir_eval.pipeline.fusion import fuse
from ir_eval.pipeline.negatives import Mining
from tests.faults.fuzzer import Disagreement, Target
from tests.faults.mutation import VALUES, mutate_trees

ODD = (
    *VALUES, b"bytes", np.float32(1.5), np.int64(3), np.nan, np.array([1,
    2]), np.array("d1"), Decimal("1.5"), 1j, ("a", "b"),
    {1, 2}, range(3), object, len, 2**64, -(2**63) - 1, math.inf, "d\n1",
    "d 1", "d\u00a01", Ellipsis, np.str_("d1"), np.bool_(True),
)  # fmt: skip
SCORES = {"q1": {"d1": 2.0, "d2": 1.0}, "q2": {"d1": 0.5}}
GRADES = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1}}
RUN = Run.from_dict(SCORES)
QRELS = Qrels.from_dict(GRADES)
EXPERIMENT = {
    "collections": [{"name": "c", "split": "dev", "measures": ["map"]}],
    "measures": ["ndcg@10"],
    "baseline": "a",
    "correction": "holm",
    "seed": 0,
    "systems": {"a": {"retrieve": "bm25", "hits": 10, "k1": 0.9}, "b": {"fuse": ["a", "a"], "weights": [0.5, 0.5]}},
}
GLUE = {
    "base": "decoder",
    "pooler": "mean",
    "head": "mlp",
    "max_length": 128,
    "dropout": 0.1,
    "epochs": 1,
    "freeze": ["x"],
}
MINING = {"first_stage": "bm25", "start": 1, "depth": 10, "positives": 1, "negatives": 1, "queries": 3, "seed": 0}
FUSION = {"method": "sum", "normalisation": "z-score", "weights": [0.3, 0.7]}
COLUMNS = {"query_ids": ["q1", "q1"], "doc_ids": ["d1", "d2"], "scores": [1.0, 2.0]}


def _table(kind: type[Run] | type[Qrels], folder: Path, nested: Any) -> None:
    table: Any = kind.from_dict(nested)
    table.write(folder / "file")
    if kind.read(folder / "file") != table:
        raise Disagreement


def _fuse(folder: Path, options: Any) -> None:
    fuse([RUN, RUN.top(1)], **_named(options, FUSION))


def _evaluate(folder: Path, measures: Any) -> None:
    evaluate(QRELS, RUN, measures)


def _settings(kind: Callable[..., object], known: dict[str, Any], folder: Path, values: Any) -> None:
    kind(**_named(values, known))


def _named(values: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments; a name that a function does not have is Python's own error."""
    if not isinstance(values, dict) or values.keys() != known.keys():
        raise InputError("other keyword arguments")
    return values


_trees = partial(mutate_trees, values=ODD)
TARGETS = (
    Target("Run.from_dict", (SCORES,), partial(_table, Run), _trees, share=0.5),
    Target("Qrels.from_dict", (GRADES,), partial(_table, Qrels), _trees, share=0.5),
    Target("Run.from_columns", (COLUMNS,), partial(_settings, Run.from_columns, COLUMNS), _trees, share=0.5),
    Target("fuse", (FUSION,), _fuse, _trees, share=0.3),
    Target("evaluate", (["ndcg@10", "map"],), _evaluate, _trees, share=0.3),
    Target("experiment in Python", (EXPERIMENT,), lambda folder, table: parse_experiment(table), _trees, share=0.5),
    Target("GlueConfig", (GLUE,), partial(_settings, GlueConfig, GLUE), _trees, share=0.5),
    Target("Mining", (MINING,), partial(_settings, Mining, MINING), _trees, share=0.5),
)
