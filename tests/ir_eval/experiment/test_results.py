"""results: a folder of results is read back as it was written, and a changed one is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from ir_eval.errors import InputError
from ir_eval.experiment import CollectionName, Experiment, Given, Results, Retrieve, read_results, run_experiment

PLACES = (CollectionName("vaswani", None, ("map",)), CollectionName("dl19"))


@pytest.fixture
def written(here: Path) -> Results:
    """An experiment on two collections, in the folder ``out``."""
    return run_experiment(Experiment(PLACES, {"bm25": Retrieve("bm25", hits=30)}, ("ndcg@10",)), "out")


def test_results_are_read_as_they_were_written(written: Results) -> None:
    """Experiment, runs, measures of each query, times, and provenance."""
    results = read_results("out")
    assert (results.experiment, results.origin) == (written.experiment, written.origin)
    for outcome, before in zip(results.outcomes, written.outcomes, strict=True):
        assert (outcome.folder, outcome.collection) == (before.folder, before.collection)
        for system, earlier in zip(outcome.systems, before.systems, strict=True):
            assert (system.run, system.run.name, system.seconds) == (earlier.run, earlier.run.name, earlier.seconds)
            for measure, scores in earlier.evaluation.per_query.items():
                np.testing.assert_array_equal(system.evaluation.per_query[measure], scores)


def test_changed_files_are_refused(written: Results) -> None:
    """A run edited by hand, or a changed collection, would have other figures."""
    run = Path("out/trec-dl19/bm25.trec")
    before = run.read_text()
    run.write_text(before.replace(" 1 ", " 2 ", 1))
    with pytest.raises(InputError, match=r"out/results.json: trec-dl19/bm25.trec is missing or was changed"):
        read_results("out")
    run.write_text(before)
    found = json.loads(Path("out/results.json").read_text())
    found["collections"][0]["fingerprint"] = "0" * 64
    Path("out/results.json").write_text(json.dumps(found))
    with pytest.raises(InputError, match="the documents of vaswani were changed; expected those of the results"):
        read_results("out")


def test_a_folder_without_results_is_one_line(here: Path) -> None:
    """The file is missing, or holds something else."""
    with pytest.raises(InputError, match=r"nowhere/results.json: no results .* expected the file of ir-eval run --out"):
        read_results("nowhere")
    Path("results.json").write_text("[]")
    with pytest.raises(InputError, match="results.json: no results"):
        read_results(".")


def test_results_of_an_earlier_experiment_do_not_outlive_its_runs(written: Results) -> None:
    """An experiment that fails half-way leaves no results.json of the earlier one."""
    missing = Experiment(PLACES, {"bm25": Given("dl19/runs/bm25.top100.trec")}, ("ndcg@10",))
    with pytest.raises(InputError, match="no judged query is in the run"):
        run_experiment(missing, "out")
    assert not Path("out/results.json").exists()
