"""Arguments of the functions of evaluation and pipeline: wrong types and absurd values are errors of one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir_eval.collections import open_collection
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation import significance
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import Method, check_systems
from ir_eval.evaluation.evaluate import Evaluation, evaluate, hole_rates
from ir_eval.evaluation.measures import Measure, parse_measure
from ir_eval.pipeline.bi_encoder import BiEncoder
from ir_eval.pipeline.fusion import Tuned, check_fusion, fuse, tune
from ir_eval.pipeline.negatives import Mining, mine
from ir_eval.pipeline.rerank import load_reranker, rerank
from ir_eval.pipeline.training_evaluator import rerank_evaluator
from tests.test_docstrings import write_collection

DEEP: list[Any] = []
for _ in range(10_000):
    DEEP = [DEEP]
ABSURD = [None, float("nan"), float("inf"), -1, True, 10**400, 16**5000, 1.5, "x" * 5000, b"x", [], {}, DEEP, object()]
RUN = Run.from_dict({"q1": {"d1": 2.0, "d2": 1.0}, "q2": {"d1": 1.0}}, name="a")
QRELS = Qrels.from_dict({"q1": {"d1": 1}, "q2": {"d2": 1}})
SYSTEMS = {"a": evaluate(QRELS, RUN, ["mrr"]), "b": evaluate(QRELS, RUN, ["mrr"])}
SCORES = np.array([0.1, 0.2, 0.4])

NUMBERS: dict[str, Callable[[Any], object]] = {
    "cutoff": lambda value: Measure("ndcg", 0 if value is None else value),
    "level": lambda value: Measure("map", None, value),
    "seed": lambda value: Method(seed=value),
    "alpha": lambda value: Method(alpha=value),
    "draws": lambda value: significance.randomization(SCORES, draws=value),
    "draws of an interval": lambda value: significance.bootstrap_interval(SCORES, draws=value),
    "confidence": lambda value: significance.bootstrap_interval(SCORES, level=value),
    "draws of Tukey": lambda value: significance.tukey_randomization(SCORES[None], SCORES, draws=value),
    "weight": lambda value: check_fusion(2, "sum", normalisation=None, weights=[0.5, value]),
    "tuned weight": lambda value: fuse([RUN, RUN], "sum", weights=Tuned((1.0, value), frozenset(), 0.0)),
    "step": lambda value: tune([RUN, RUN], QRELS, "mrr", step=value),
    "depth of mining": lambda value: Mining(depth=value),
    "queries of mining": lambda value: Mining(queries=0 if value is None else value),
    "depth of an evaluator": lambda value: rerank_evaluator(collection="c", depth=value),
    "queries of an evaluator": lambda value: rerank_evaluator(collection="c", queries=0 if value is None else value),
}
VALID = {"seed": [], "alpha": [], "weight": [-1, 1.5], "tuned weight": [-1, 1.5]}


@pytest.mark.parametrize("argument", NUMBERS)
def test_absurd_numbers_are_refused(argument: str) -> None:
    """None, NaN, infinity, negative, bool, huge, fractions, texts, containers: the message is one short line."""
    for value in ABSURD:
        if any(value is valid or value == valid for valid in VALID.get(argument, []) if not isinstance(value, bool)):
            continue
        with pytest.raises(InputError) as error:
            NUMBERS[argument](value)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 500


OBJECTS: dict[str, Callable[[Any], object]] = {
    "qrels": lambda value: evaluate(value, RUN, ["mrr"]),
    "run": lambda value: evaluate(QRELS, value, ["mrr"]),
    "measures": lambda value: evaluate(QRELS, RUN, value),
    "one of the measures": lambda value: evaluate(QRELS, RUN, ["mrr", value]),
    "measures of hole rates": lambda value: hole_rates(QRELS, RUN, value),
    "measure": parse_measure,
    "name of a measure": Measure,
    "evaluations": lambda value: compare(value, ["a"]),
    "evaluation": lambda value: compare({**SYSTEMS, "c": value}, ["a"]),
    "baselines": lambda value: compare(SYSTEMS, value),
    "baseline": lambda value: check_systems(["a", "b"], [value]),
    "tests": lambda value: compare(SYSTEMS, ["a"], tests=value),
    "test": lambda value: compare(SYSTEMS, ["a"], tests=[value]),
    "correction": lambda value: compare(SYSTEMS, ["a"], correction=value),
    "differences": significance.paired_t,
    "differences of an interval": significance.bootstrap_interval,
    "differences of an effect": significance.effect_size,
    "differences at random": significance.randomization,
    "scores": lambda value: significance.paired_differences(SCORES, value),
    "scores of Tukey": lambda value: significance.tukey_t(value, SCORES),
    "correction of p": lambda value: significance.correct([0.1], value),
    "p": lambda value: significance.correct([0.1, value], "holm"),
    "runs": fuse,
    "one of the runs": lambda value: fuse([RUN, value]),
    "method": lambda value: fuse([RUN, RUN], value),
    "normalisation": lambda value: fuse([RUN, RUN], "sum", normalisation="" if value is None else value),
    "runs to tune": lambda value: tune(value, QRELS, "mrr"),
    "qrels to tune": lambda value: tune([RUN, RUN], value, "mrr"),
    "measure to tune": lambda value: tune([RUN, RUN], QRELS, value),
    "collection of mining": lambda value: mine(value, Mining(), "lists.jsonl"),
    "first stage of mining": lambda value: Mining(first_stage=value, depth=0),
    "collection of an evaluator": lambda value: rerank_evaluator(collection=value, run="absent.trec"),
    "run of an evaluator": lambda value: rerank_evaluator(collection="c", run=value),
    "measures of an evaluator": lambda value: rerank_evaluator(collection="c", measures=value),
    "bi-encoder": BiEncoder,
    "model": lambda value: load_reranker("" if isinstance(value, str) else value),
}


@pytest.mark.parametrize("argument", OBJECTS)
def test_values_of_another_type_are_refused(argument: str) -> None:
    """The message is one short line that shows the value."""
    for value in ABSURD:
        if argument == "p" and value is True:
            continue  # numpy reads it as 1
        with pytest.raises(ValueError, match=".") as error:  # InputError, or ModelError for a name of a model
            OBJECTS[argument](value)
        assert type(error.value).__name__ in ("InputError", "ModelError")
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 500


@pytest.mark.parametrize("place", ["run", "collection", "reranker", "depth"])
def test_arguments_of_rerank_are_checked(tmp_path: Path, place: str) -> None:
    """Before anything is read."""
    write_collection(tmp_path / "collection")
    run = Run.from_dict({"q1": {"d1": 1.0}, "q2": {"d3": 1.0}})
    model = type("Model", (), {"predict": lambda self, pairs: [0.0] * len(pairs)})()
    collection = open_collection(str(tmp_path / "collection"))
    good = {"run": run, "collection": collection, "reranker": model, "depth": 1}
    assert len(rerank(**good).run) == 2  # type: ignore[arg-type]
    for value in ABSURD:
        with pytest.raises(InputError) as error:
            rerank(**{**good, place: value})
        assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "text",
    ["judged@" + "9" * 30, "precision@1" + "0" * 400, "ndcg@" + "9" * 5000, "map-l" + "9" * 5000, "mrr@-" + "9" * 5000,
     "success@2147483648", "recall@10-l2147483648", "x" * 9999, "ndcg@10\x1b[31m", "ndcg@١٠"],
)  # fmt: skip
def test_measures_without_bounds_are_refused(text: str) -> None:
    """Cutoffs and levels that no ranking has, of any number of digits."""
    with pytest.raises(InputError, match="^measure ") as error:
        parse_measure(text)
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 500


def test_scores_that_are_not_finite_are_not_compared() -> None:
    """An evaluation made by hand may hold NaN, which every test would pass on."""
    queries = SYSTEMS["a"].query_ids
    broken = Evaluation(queries, {"mrr": np.array([np.nan, 0.5])})
    with pytest.raises(InputError, match="b has scores that are not finite"):
        compare({"a": SYSTEMS["a"], "b": broken}, ["a"])


def test_a_bi_encoder_scores_no_pairs_and_refuses_halves_of_pairs() -> None:
    """No pairs have no scores."""
    model = BiEncoder(type("Model", (), {"similarity_pairwise": None})())  # type: ignore[arg-type]
    assert model.predict([]).shape == (0,)
    for pair in (("q",), ("q", None), "qd", ("q", "d", "d"), None):
        with pytest.raises(InputError, match=r"pair .*; expected a query and a document"):
            model.predict([pair])  # type: ignore[list-item]
