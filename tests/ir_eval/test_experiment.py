"""experiment: every stage's run and one results.json, the same whatever was kept from before."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from gemma_st.errors import ModelError
from ir_eval.errors import InputError
from ir_eval.evaluate import evaluate
from ir_eval.experiment import Experiment, run_experiment
from ir_eval.qrels import Qrels
from ir_eval.run import Run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(data: Path, tmp_path: Path, tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder from which collections and models have short paths, as users type them."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("dl19").symlink_to(data / "msmarco" / "trec-dl19")
    Path("vaswani").symlink_to(data / "beir" / "vaswani")
    Path("tiny").symlink_to(tiny_reranker)
    return tmp_path / "here"


def test_bm25_and_a_reranker(here: Path, data: Path) -> None:
    """On a BEIR folder: the runs are what was evaluated, the file says where the figures come from."""
    results = run_experiment(Experiment("vaswani", rerankers=("tiny",), depth=5, measures=("ndcg@10", "map")))
    results.write("out")
    assert sorted(path.name for path in Path("out").iterdir()) == ["bm25.trec", "results.json", "tiny-reranker.trec"]
    bm25, reranked = Run.read("out/bm25.trec"), Run.read("out/tiny-reranker.trec")
    assert {query: set(docs) for query, docs in reranked.to_dict().items()} == {
        query: set(docs) for query, docs in bm25.top(5).to_dict().items()
    }
    found = json.loads(Path("out/results.json").read_text())
    assert list(found) == ["experiment", "collection", "systems", "versions"]
    assert found["experiment"] == {
        "collection": "vaswani",
        "split": None,
        "first_stage": "bm25",
        "rerankers": ["tiny"],
        "depth": 5,
        "measures": ["ndcg@10", "map"],
    }
    fingerprint = results.collection.fingerprint
    assert found["collection"] == {"name": "vaswani", "split": "test", "topics": 93, "fingerprint": fingerprint}
    qrels = Qrels.read(data / "beir" / "vaswani" / "qrels" / "test.tsv")
    for system, run in zip(found["systems"], (bm25, reranked), strict=True):
        assert system["run"] == f"{system['name']}.trec" == f"{run.name}.trec"
        assert system["measures"] == evaluate(qrels, run, ["ndcg@10", "map"]).means
        assert system["queries_per_second"] > 0
    assert found["systems"][0]["queries_per_second"] > found["systems"][1]["queries_per_second"]
    assert found["versions"]["torch"] == version("torch")
    assert str(here.parent) not in Path("out/results.json").read_text()


def test_a_given_run_is_reranked(here: Path, data: Path) -> None:
    """Neither Java nor an index; its own speed is not known, and the reranker's is the model's alone."""
    given = "dl19/runs/bm25.top100.trec"
    experiment = Experiment("dl19", first_stage=given, rerankers=("tiny", "./tiny/", "tiny"), depth=2)
    results = run_experiment(experiment)
    first, *rest = results.systems
    assert (first.run, first.queries_per_second) == (Run.read(given), None)
    assert first.evaluation.means["ndcg@10"] == pytest.approx(0.5058, abs=5e-5)
    assert [system.run.name for system in results.systems] == [
        "bm25.top100",
        "tiny-reranker",
        "tiny-reranker-2",
        "tiny-reranker-3",
    ]
    assert rest[0].run == rest[1].run == rest[2].run
    assert len(rest[0].run.doc_ids) == 2 * 43
    # the second and the third were read from the cache, which is not how fast the model is
    assert rest[0].queries_per_second == rest[1].queries_per_second == rest[2].queries_per_second


def test_a_rerun_writes_the_same_bytes(here: Path) -> None:
    """From the cache or not."""
    experiment = Experiment("dl19", first_stage="dl19/runs/bm25.top100.trec", rerankers=("tiny",), depth=4)
    for folder in ("one", "two"):
        run_experiment(experiment).write(folder)
    for name in ("bm25.top100.trec", "tiny-reranker.trec", "results.json"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_the_given_file_is_never_replaced(here: Path) -> None:
    """It may lie in the folder of the results, with ranks and a tag of its own."""
    line = Path("dl19/runs/rep_llama.trec").read_text().splitlines()[0].split()
    Path("out").mkdir()
    Path("out/mine.trec").write_text(given := f"{line[0]}  Q0 {line[2]} 77 1.50 someone\n")
    run_experiment(Experiment("dl19", first_stage="out/mine.trec")).write("out")
    assert Path("out/mine.trec").read_text() == given
    run_experiment(Experiment("dl19", first_stage="out/mine.trec")).write("elsewhere")
    assert Path("elsewhere/mine.trec").read_text() == f"{line[0]} Q0 {line[2]} 1 1.5 mine\n"


def test_what_can_be_known_before_the_work_is() -> None:
    """A wrong measure, depth or model costs no search."""
    with pytest.raises(InputError, match="measure 'ndcg@0': the cutoff is below 1"):
        Experiment(measures=("map", "ndcg@0"))
    with pytest.raises(InputError, match="depth 0; expected at least 1"):
        Experiment(depth=0)
    with pytest.raises(ModelError, match="model 'no-such': no such directory or packaged model"):
        Experiment(rerankers=("no-such",))


def test_what_is_no_test_collection_is_refused(here: Path) -> None:
    """Without judgements there is nothing to measure, and a run of another collection measures nothing."""
    Path("bare").mkdir()
    for name in ("passages.tsv", "queries.tsv"):
        Path("bare", name).symlink_to(Path("dl19", name).resolve())
    with pytest.raises(InputError, match="bare: no judgements to evaluate with; expected qrels beside the queries"):
        run_experiment(Experiment("bare"))
    with pytest.raises(InputError, match=r"bm25\.top100: no judged query is in the run, which has queries like"):
        run_experiment(Experiment("vaswani", first_stage="dl19/runs/bm25.top100.trec"))
