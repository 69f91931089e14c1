"""terminal and results_tables: every figure is printed, at any width."""

from pathlib import Path

import numpy as np
import pytest

from ir_eval.collections import open_collection
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import Evaluation
from ir_eval.experiment import CollectionName, CollectionOutcome, Experiment, Given, Rerank, Results, SystemOutcome
from ir_eval.report.results_tables import measures_table, results_table
from ir_eval.report.terminal import file_labels, show

QUERIES = np.array(["1", "2"], dtype=np.dtypes.StringDType())


def evaluation(**means: float) -> Evaluation:
    """Make an evaluation of two queries with these means."""
    return Evaluation(QUERIES, {name: np.array([mean - 0.1, mean + 0.1]) for name, mean in means.items()})


def printed(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the words of each line that has any."""
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]


@pytest.mark.parametrize("width", ["10", "80", "200"])
def test_no_figure_is_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    """On a narrow terminal with a long name, too; markup in a name is printed as it is."""
    monkeypatch.setenv("COLUMNS", width)
    name = "[bold]" + "long" * 20
    table = measures_table({name: evaluation(map=0.25, mrr=0.5), "b": evaluation(map=0.33333, mrr=0.1)})
    show(table, notes=["[a] note" * 40])
    header, _, first, second, *notes = printed(capsys)
    assert header == ["system", "map", "mrr"]
    assert first == [name, "0.2500", "0.5000"]
    assert second == ["b", "0.3333", "0.1000"]
    assert notes == [("[a] note" * 40).split()]


def test_the_best_is_bold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of several systems; a single system is not bold."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    show(measures_table({"a": evaluation(map=0.2, mrr=0.5), "b": evaluation(map=0.3, mrr=0.5)}))
    _, _, first, second = (line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert ("\x1b[1m" in first, first.count("\x1b[1m")) == (True, 1)
    assert second.count("\x1b[1m") == 2
    show(measures_table({"a": evaluation(map=0.2)}))
    assert "\x1b[1m" not in capsys.readouterr().out.splitlines()[-2]


def test_an_experiment_names_its_stages_and_speed(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    """A reranker's name follows its first stage; an unknown time is a dash."""
    collection = open_collection(str(data / "beir" / "cranfield"))
    run = Run.from_dict({str(query): {"1": 1.0} for query in range(60)}, name="given")
    systems = [
        SystemOutcome(run, evaluation(map=0.25), None),
        SystemOutcome(Run.from_dict(run.to_dict(), name="fast"), evaluation(map=0.5), 0.01),
        SystemOutcome(Run.from_dict(run.to_dict(), name="slow"), evaluation(map=0.5), 2000.0),
    ]
    outcome = CollectionOutcome(collection, "cranfield-test", tuple(systems))
    systems_of = {"given": Given("x"), "fast": Rerank("given", "f"), "slow": Rerank("given", "s")}
    experiment = Experiment((CollectionName("cranfield"),), systems_of)
    show(results_table(Results(experiment, (outcome,), {}), outcome))
    title, header, _, *rows = printed(capsys)
    assert title == ["cranfield", "(test):", "225", "topics"]
    assert header == ["system", "map", "queries/s"]
    assert rows == [
        ["given", "0.2500", "–"],
        ["given", "→", "fast", "0.5000", "6,000.0"],
        ["given", "→", "slow", "0.5000", "0.03"],
    ]


def test_labels_are_short_and_tell_files_apart() -> None:
    """The label is the file's name if no other file has it."""
    assert file_labels(["a/x.trec", "b/y.trec", "b/x.trec", "b/y.trec"]) == {
        "a/x.trec": "a/x.trec",
        "b/y.trec": "y.trec",
        "b/x.trec": "b/x.trec",
    }
