"""results: a folder of results is read back as it was written, and a changed one is refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir_eval.cli import main
from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.experiment import CollectionName, Experiment, Given, Results, Retrieve, read_results, run_experiment
from ir_eval.experiment.loaded_models import LoadedModels
from ir_eval.experiment.results_file import read_record
from ir_eval.experiment.system_config import Made, RunAndTime
from tests.test_docstrings import write_collection

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


def contents(folder: str) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def give(name: str, doc_ids: str) -> Given:
    """Write a run of the collection ``pond``, and return its system."""
    Path(f"{name}.trec").write_text("".join(f"q1 Q0 {doc_id} 1 {len(doc_ids)} x\n" for doc_id in doc_ids.split()))
    return Given(f"{name}.trec")


@pytest.fixture
def pond(here: Path) -> tuple[CollectionName, ...]:
    """A small collection, and results of two systems on it in the folder ``out``."""
    write_collection(Path("pond"))
    places = (CollectionName("pond"),)
    run_experiment(Experiment(places, {"a": give("a", "d1"), "b": give("b", "d2")}, ("mrr",), baseline="b"), "out")
    return places


class Failing(Retrieve):
    """A system that fails in the middle of the work."""

    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Raise the error of a full disk."""
        raise self.options["error"]


@pytest.mark.parametrize("error", [InputError("scratch: cannot be written"), OSError(28, "full"), KeyboardInterrupt()])
def test_earlier_results_survive_an_experiment_that_fails_in_the_middle(
    pond: tuple[CollectionName, ...], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """All of them, byte for byte, whatever the failure; the next experiment replaces them."""
    before = contents("out")
    failing = Failing("bm25", options={"error": error})
    monkeypatch.setattr(failing.__class__, "check_for", lambda self, collection: None)
    monkeypatch.setattr(failing.__class__, "load", lambda self, collection, models: None)
    with pytest.raises(type(error)):
        run_experiment(Experiment(pond, {"a": give("c", "d3 d2 d1"), "x": failing}, ("mrr",)), "out")
    assert contents("out") == before
    assert read_results("out").experiment.baseline == "b"
    run_experiment(Experiment(pond, {"a": Given("c.trec"), "new": give("b", "d2")}, ("mrr",)), "out")
    assert [system.run.name for system in read_results("out").outcomes[0].systems] == ["a", "new"]


def test_files_of_former_systems_do_not_stay(pond: tuple[CollectionName, ...], here: Path) -> None:
    """Those that the earlier results wrote; files of the user, or changed by the user, stay."""
    Path("out/pond-test/mine.trec").write_text("q1 Q0 d1 1 1 x\n")
    Path("out/notes.txt").write_text("mine")
    (folder := Path("out/pond-test/b.trec")).write_text(folder.read_text() + "q2 Q0 d3 1 1 x\n")
    run_experiment(Experiment(pond, {"kept": Given("out/pond-test/mine.trec")}, ("mrr",)), "out")
    names = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    run = {"pond-test/kept.trec", "pond-test/qrels.txt", "results.json"}
    assert names == run | {"pond-test/mine.trec", "pond-test/b.trec", "notes.txt"}
    Path("pond").rename("pool")
    run_experiment(Experiment((CollectionName("pool"),), {"kept": Given("out/pond-test/mine.trec")}, ("mrr",)), "out")
    assert sorted(path.name for path in Path("out/pond-test").iterdir()) == ["b.trec", "mine.trec"]
    assert read_results("out").outcomes[0].folder == "pool-test"


def test_the_user_may_give_a_run_of_the_earlier_results(pond: tuple[CollectionName, ...]) -> None:
    """It is not removed with them."""
    given = Path("out/pond-test/b.trec").read_text()
    run_experiment(Experiment(pond, {"again": Given("out/pond-test/b.trec")}, ("mrr",)), "out")
    assert Path("out/pond-test/b.trec").read_text() == given
    assert read_results("out").outcomes[0].evaluations["again"].means == {"mrr": 0.0}


@pytest.mark.parametrize("place", ["out", "out/pond-test", "out/results.json", "out/pond-test/a.trec"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(here: Path, place: str) -> None:
    """A file where a folder must be, or a folder where a file must be."""
    write_collection(Path("pond"))
    experiment = Experiment((CollectionName("pond"),), {"a": give("a", "d1")}, ("mrr",))
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if path.suffix else path.touch()
    with pytest.raises(InputError, match=rf"^{place}.*: cannot be written"):
        run_experiment(experiment, "out")


def damaged(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every damage of a value: each key null, of another type, missing or added; with the place of the damage."""
    for wrong in (None, True, 1.5, -1, "x", "\x1b", [], {}, [[1]], float("nan")):
        if type(wrong) is not type(value):
            yield path, wrong
    if isinstance(value, dict):
        yield (*path, "extra"), {**value, "extra": 1}
        for key, part in value.items():
            yield (*path, key), {name: other for name, other in value.items() if name != key}
            yield from ((place, {**value, key: other}) for place, other in damaged(part, (*path, key)))
    elif isinstance(value, list):
        yield path, [*value, *value]
        for number, part in enumerate(value):
            yield from ((place, [*value[:number], other]) for place, other in damaged(part, (*path, number)))


def test_every_damage_of_results_is_one_line(pond: tuple[CollectionName, ...]) -> None:
    """Each value null, of another type, missing, extra or NaN: report and compare raise InputError with the file."""
    path = Path("out/results.json")
    whole = json.loads(path.read_text())
    tried = refused = 0
    for place, value in damaged(whole):
        path.write_text(json.dumps(value))
        tried += 1
        try:
            read_record("out")  # a value that is only another one, such as a seed of 1, is read
        except InputError as error:
            refused += 1
            assert str(error).startswith("out/results.json: no results ("), place
            assert "\n" not in str(error)
    assert tried > 500
    assert refused > 0.8 * tried


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found["collections"].append(found["collections"][0]), "2 collections; expected 1"),
        (lambda found: found["collections"].clear(), "0 collections; expected 1"),
        (
            lambda found: found["experiment"].update(baseline={}),
            "experiment: baseline = {}; Input should be a",
        ),
        (lambda found: found["experiment"].update(measures=["ndgc"]), "experiment: measure 'ndgc': no such name"),
        (lambda found: found["experiment"].update(correction="foo"), "experiment: correction 'foo'; expected one of"),
        (lambda found: found["experiment"].update(seed=-1), "experiment: seed -1; expected at least 0"),
        (
            lambda found: found["collections"][0].update(folder="../x"),
            "collections.0.folder = '../x'; expected the",
        ),
        (
            lambda found: found["collections"][0].update(qrels="/etc/passwd"),
            "collections.0.qrels = '/etc/passwd'; ex",
        ),
        (lambda found: found["collections"][0]["systems"].pop(), "collections.0.systems: a; expected a, b"),
        (
            lambda found: found["collections"][0]["systems"][1].update(name=None),
            "[collections.0.systems.1] name = None; Input should be a valid string",
        ),
        (
            lambda found: found["collections"][0]["systems"][0].update(run="../a.trec"),
            "collections.0.systems: run = '../a.trec'; expected pond-test/a.trec",
        ),
        (
            lambda found: found["collections"][0]["systems"][0].update(measures={"mrr": float("nan")}),
            "[collections.0.systems.0.measures] mrr = nan; Input should be a finite number",
        ),
        (
            lambda found: found["collections"][0]["systems"][0].update(measures={"map": 1.0}),
            "collections.0.systems: measures map; expected mrr",
        ),
    ],
)
def test_damaged_results_name_the_key(
    pond: tuple[CollectionName, ...],
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    """In report and in compare alike."""
    path = Path("out/results.json")
    change(found := json.loads(path.read_text()))
    path.write_text(json.dumps(found))
    for command in ("report", "compare"):
        assert main([command, "out"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"ir-eval: error: out/results.json: no results ({message}")
        assert err.count("\n") == 1
