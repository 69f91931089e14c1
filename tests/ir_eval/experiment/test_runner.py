"""runner: the runs, the judgements and results.json are written, and are the same with or without a cache."""

import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from gemma_st.errors import ModelError
from ir_eval.cache import file_key
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment import CollectionName, Experiment, Given, Rerank, Retrieve, read_results, run_experiment, single

GIVEN = "dl19/runs/bm25.top100.trec"


def test_bm25_and_a_reranker(here: Path, data: Path) -> None:
    """On a BEIR folder: the written runs give the measures of results.json, which names their origin."""
    results = run_experiment(single("vaswani", rerankers=("tiny",), depth=5, measures=("ndcg@10", "map")), "out")
    (outcome,) = results.outcomes
    folder = Path("out/vaswani-test")
    assert sorted(path.name for path in folder.iterdir()) == ["bm25.trec", "qrels.txt", "tiny-reranker.trec"]
    bm25, reranked = Run.read(folder / "bm25.trec"), Run.read(folder / "tiny-reranker.trec")
    assert {query: set(docs) for query, docs in reranked.to_dict().items()} == {
        query: set(docs) for query, docs in bm25.top(5).to_dict().items()
    }
    found = json.loads(Path("out/results.json").read_text())
    assert list(found) == ["experiment", "collections", "tuned", "versions", "commit", "sources"]
    (place,) = found["collections"]
    systems = place.pop("systems")
    assert place == {
        "name": "vaswani",
        "split": "test",
        "folder": "vaswani-test",
        "qrels": "vaswani-test/qrels.txt",
        "topics": 93,
        "fingerprint": outcome.collection.fingerprint,
        "missing_judged": 0,
        "own_documents": 0,
    }
    qrels = Qrels.read(data / "beir" / "vaswani" / "qrels" / "test.tsv")
    assert Qrels.read("out" / Path(place["qrels"])) == qrels
    for system, run in zip(systems, (bm25, reranked), strict=True):
        path = Path("out", system["run"])
        assert (path.name, system["sha256"]) == (f"{system['name']}.trec", file_key(path))
        assert system["measures"] == evaluate(qrels, run, ["ndcg@10", "map"]).means
    assert 0 < systems[0]["seconds"] < systems[1]["seconds"]
    assert found["versions"]["torch"] == version("torch")
    assert str(here.parent) not in Path("out/results.json").read_text()


def test_a_given_run_is_reranked(here: Path) -> None:
    """The speed of a run file is unknown, and the reranker's speed is that of the model alone."""
    results = run_experiment(single("dl19", first_stage=GIVEN, rerankers=("tiny", "./tiny/", "tiny"), depth=2))
    first, *rest = results.outcomes[0].systems
    assert (first.run, first.queries_per_second) == (Run.read(GIVEN), None)
    assert first.evaluation.means["ndcg@10"] == pytest.approx(0.5058, abs=5e-5)
    names = ["bm25.top100", "tiny-reranker", "tiny-reranker-2", "tiny-reranker-3"]
    assert list(results.outcomes[0].evaluations) == names
    assert [results.label(name) for name in names[:2]] == ["bm25.top100", "bm25.top100 → tiny-reranker"]
    assert rest[0].run == rest[1].run == rest[2].run
    assert len(rest[0].run.doc_ids) == 2 * 43
    # The scores of the second and third come from the cache, with the seconds of the first.
    assert rest[0].queries_per_second == rest[1].queries_per_second == rest[2].queries_per_second


def test_a_reranker_may_rerank_a_reranker(here: Path) -> None:
    """Its candidates are the top documents of the first reranker, and its time is the time of both."""
    systems = {"first": Given(GIVEN), "wide": Rerank("first", "tiny", 6), "narrow": Rerank("wide", "tiny", 2)}
    outcome = run_experiment(Experiment((CollectionName("dl19"),), systems)).outcomes[0]
    _, wide, narrow = outcome.systems
    assert {query: set(docs) for query, docs in narrow.run.to_dict().items()} == {
        query: set(docs) for query, docs in wide.run.top(2).to_dict().items()
    }
    assert narrow.seconds is not None and wide.seconds is not None
    assert narrow.seconds > wide.seconds


def test_a_collection_may_have_measures_of_its_own(here: Path) -> None:
    """TREC-DL needs them: its MAP counts relevance 2 and above."""
    places = (CollectionName("dl19", measures=("map-l2",)), CollectionName("vaswani"))
    results = run_experiment(Experiment(places, {"bm25": Retrieve("bm25", hits=20)}, ("map",)))
    assert [list(outcome.systems[0].evaluation.means) for outcome in results.outcomes] == [["map-l2"], ["map"]]


def test_a_rerun_writes_the_same_bytes(here: Path) -> None:
    """With and without scores in the cache."""
    experiment = single("dl19", first_stage=GIVEN, rerankers=("tiny",), depth=4)
    for folder in ("one", "two"):
        run_experiment(experiment, folder)
    for name in ("trec-dl19/bm25.top100.trec", "trec-dl19/tiny-reranker.trec", "trec-dl19/qrels.txt", "results.json"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_the_given_file_is_never_replaced(here: Path) -> None:
    """A given run file may lie in the folder of the results, and is left as it is."""
    line = Path("dl19/runs/rep_llama.trec").read_text().splitlines()[0].split()
    Path("out/trec-dl19").mkdir(parents=True)
    mine = Path("out/trec-dl19/mine.trec")
    mine.write_text(given := f"{line[0]}  Q0 {line[2]} 77 1.50 someone\n")
    run_experiment(single("dl19", first_stage=str(mine)), "out")
    assert mine.read_text() == given
    run_experiment(single("dl19", first_stage=str(mine)), "elsewhere")
    assert Path("elsewhere/trec-dl19/mine.trec").read_text() == f"{line[0]} Q0 {line[2]} 1 1.5 mine\n"


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (lambda: single("dl19", rerankers=("tiny",), depth=0), "system 'tiny-reranker': depth 0; expected at least 1"),
        (lambda: single("dl19", first_stage="nowhere.trec"), "system 'nowhere': nowhere.trec: no such file; expected"),
        (
            lambda: Experiment((CollectionName("vaswani"),), {"a": Given("dl19/runs/{collection}.trec")}),
            "system 'a': dl19/runs/vaswani.trec: no such file; expected the TREC run of vaswani; check the path",
        ),
        (
            lambda: Experiment((CollectionName("dl19"),), {"a": Retrieve("bm25", hits=0)}),
            "system 'a': hits 0;",
        ),
    ],
)
def test_wrong_options_and_files_fail_before_any_work(
    here: Path, experiment: Callable[[], Experiment], message: str
) -> None:
    """Nothing is searched or written."""
    with pytest.raises(InputError, match=re.escape(message)):
        run_experiment(experiment(), "out")
    assert not Path("out").exists()


def test_a_wrong_model_costs_no_search(here: Path) -> None:
    """The model's name is looked up first."""
    with pytest.raises(ModelError, match="model 'no-such': no such directory or packaged model"):
        run_experiment(single("dl19", rerankers=("no-such",)))


def test_a_collection_without_judgements_or_with_another_run_is_refused(here: Path) -> None:
    """No measure can be computed without judgements, or from the run of another collection."""
    Path("bare").mkdir()
    for name in ("passages.tsv", "queries.tsv"):
        Path("bare", name).symlink_to(Path("dl19", name).resolve())
    with pytest.raises(InputError, match="bare: no judgements to evaluate with; expected qrels beside the queries"):
        run_experiment(single("bare"))
    with pytest.raises(InputError, match=r"bm25\.top100: no judged query is in the run, which has queries like"):
        run_experiment(single("vaswani", first_stage=GIVEN))


@pytest.mark.parametrize("layout", ["beir", "trec"])
def test_judged_documents_that_the_collection_lacks_are_counted(tmp_path: Path, layout: str) -> None:
    """The count is in the notes and in results.json; lacking all of them is an error before any search."""
    folder = tmp_path / "c"
    (folder / "qrels").mkdir(parents=True)
    texts = {"d1": "gold", "d2": "fish"}
    if layout == "beir":
        lines = [json.dumps({"_id": doc_id, "text": text}) for doc_id, text in texts.items()]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
        (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "gold"}\n{"_id": "q2", "text": "silver"}')
    else:
        (folder / "passages.tsv").write_text("".join(f"{doc_id}\t{text}\n" for doc_id, text in texts.items()))
        (folder / "queries.tsv").write_text("q1\tgold\nq2\tsilver\n")
    qrels = folder / ("qrels/test.tsv" if layout == "beir" else "qrels.txt")
    column = " " if layout == "beir" else " 0 "
    rows = [("q1", "d1 1"), ("q1", "x1 1"), ("q2", "x1 0"), ("q2", "d2 1")]
    qrels.write_text("".join(f"{query_id}{column}{judgement}\n" for query_id, judgement in rows))
    (outcome,) = run_experiment(single(str(folder)), tmp_path / "out").outcomes
    assert outcome.notes == [
        "1 of 3 judged documents are not in the collection",
        "bm25: answers 1 of 2 judged queries; the others count 0",
    ]
    (place,) = json.loads((tmp_path / "out" / "results.json").read_text())["collections"]
    assert (place["missing_judged"], place["systems"][0]["answered"]) == (1, 1)
    assert read_results(tmp_path / "out").outcomes[0].notes == outcome.notes
    qrels.write_text(qrels.read_text().replace("d1", "x2").replace("d2", "x3"))
    with pytest.raises(InputError, match="c: none of the 3 judged documents is in the collection, the first is 'x"):
        run_experiment(single(str(folder)), tmp_path / "new")
    assert not (tmp_path / "new").exists()
