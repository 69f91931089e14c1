"""Weights of a fusion, tuned on a development collection and used on another."""

import json
from pathlib import Path

import pytest

from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.experiment import CollectionName, Experiment, Fuse, Given, read_results, run_experiment
from ir_eval.experiment.system_config import SystemConfig


def write(folder: str, query: str) -> None:
    """Write a TREC folder of one topic, a run that is right about it and one that is wrong."""
    Path(folder).mkdir()
    Path(folder, "passages.tsv").write_text("d1\tone\nd2\ttwo\nd3\tthree\n")
    Path(folder, "queries.tsv").write_text(f"{query}\twhich\n")
    Path(folder, "qrels.txt").write_text(f"{query} 0 d1 1\n")
    Path(folder, "right.trec").write_text(f"{query} Q0 d1 1 0.2 a\n{query} Q0 d2 2 0.1 a\n")
    Path(folder, "wrong.trec").write_text(f"{query} Q0 d3 1 0.9 b\n{query} Q0 d1 2 0.1 b\n")


def experiment(dev: str) -> Experiment:
    """Fuse both, with weights tuned on a collection."""
    systems: dict[str, SystemConfig] = {
        "right": Given("{collection}/right.trec"),
        "wrong": Given("{collection}/wrong.trec"),
        "plain": Fuse(("right", "wrong"), "sum"),
        "tuned": Fuse(("right", "wrong"), "sum", tune_on=CollectionName(dev)),
    }
    return Experiment((CollectionName("test"),), systems, ("mrr",))


def test_weights_come_from_the_development_collection(here: Path) -> None:
    """Tuning gives the wrong run a small weight, so the right run wins on the test collection."""
    write("dev", "q1")
    write("test", "q2")
    results = run_experiment(experiment("dev"), "out")
    plain, tuned = (results.outcomes[0].evaluations[name].means["mrr"] for name in ("plain", "tuned"))
    assert (plain, tuned) == (0.5, 1.0)
    right, wrong = json.loads(Path("out/results.json").read_text())["tuned"]["tuned"]
    assert right + wrong == pytest.approx(1)
    assert 0.2 * right + 0.1 * wrong > 0.9 * wrong
    assert Run.read("out/test/tuned.trec").to_dict()["q2"]["d3"] == pytest.approx(0.9 * wrong)
    assert read_results("out").experiment == results.experiment


def test_tuning_on_the_test_collection_is_refused(here: Path) -> None:
    """Figures on topics used for tuning are not test figures."""
    write("test", "q2")
    with pytest.raises(
        InputError,
        match="system 'tuned' is tuned on topic 'q2', which is also evaluated; expected a separate",
    ):
        run_experiment(experiment("test"))


def test_only_a_sum_can_be_tuned(here: Path) -> None:
    """Reciprocal rank fusion has no weights."""
    place = CollectionName("dev")
    systems: dict[str, SystemConfig] = {"a": Given("a"), "b": Given("b"), "f": Fuse(("a", "b"), tune_on=place)}
    with pytest.raises(
        InputError,
        match="system 'f': tune_on with method = 'rrf', weights = None; expected method = 'sum'",
    ):
        run_experiment(Experiment((CollectionName("test"),), systems))
