"""The cache between two runs: it is used, and never stale, mixed up between collections, or half-written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ir_eval.data.run import Run
from ir_eval.experiment import CollectionName, Experiment, Rerank, Retrieve, read_experiment, run_experiment

DOCUMENTS = {
    "d1": "goldfish grow as long as they live in a pond",
    "d2": "gold is a metal, and goldfish are not made of it",
    "d3": "a license is granted to grow goldfish",
}
KILLED = """
collections = ["dl19", "again"]
measures = ["ndcg@10"]
[systems.given]
run = "dl19/runs/bm25.top100.trec"
[systems.tiny]
rerank = "given"
model = "tiny"
depth = 10
"""


def write_collection(folder: str, documents: dict[str, str], topic: str = "do goldfish grow") -> None:
    """Write a TREC folder of one topic."""
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "passages.tsv").write_text("".join(f"{name}\t{text}\n" for name, text in documents.items()))
    Path(folder, "queries.tsv").write_text(f"q1\t{topic}\n")
    Path(folder, "qrels.txt").write_text("q1 0 d1 1\n")


def experiment(*names: str, depth: int = 3) -> Experiment:
    """BM25 and a reranker on TREC folders."""
    systems = {"bm25": Retrieve("bm25"), "tiny": Rerank("bm25", "tiny", depth)}
    return Experiment(tuple(map(CollectionName, names)), systems, ("mrr",))


def contents(folder: str) -> dict[str, bytes]:
    """Return every run and every judgement in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).glob("*/[!.]*")}


def change_a_document() -> Experiment:
    """Change the text of a document."""
    write_collection("pond", DOCUMENTS | {"d1": "goldfish and nothing else"})
    return experiment("pond")


def change_the_topic() -> Experiment:
    """Change the text of a topic."""
    write_collection("pond", DOCUMENTS, "gold metal")
    return experiment("pond")


def change_the_model() -> Experiment:
    """Change the weights at the same path."""
    from safetensors.numpy import load_file, save_file

    folder = Path("tiny").resolve()
    Path("tiny").unlink()
    shutil.copytree(folder, "tiny")
    head = max(Path("tiny").glob("*_Dense/model.safetensors"))
    save_file({name: -weight for name, weight in load_file(head).items()}, head)
    return experiment("pond")


def change_the_depth() -> Experiment:
    """Rerank fewer documents."""
    return experiment("pond", depth=2)


@pytest.mark.parametrize("change", [change_a_document, change_the_topic, change_the_model, change_the_depth])
def test_nothing_stale_is_read(here: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Experiment]) -> None:
    """After any change the runs are those of an empty cache."""
    write_collection("pond", DOCUMENTS)
    run_experiment(experiment("pond"), "before")
    changed = change()
    run_experiment(changed, "after")
    monkeypatch.setenv("IR_EVAL_CACHE", str(here / "empty"))
    run_experiment(changed, "fresh")
    assert contents("after") == contents("fresh")
    assert contents("after") != contents("before")


def test_collections_do_not_mix(here: Path) -> None:
    """Two collections with the same ids and other texts: the runs are those of each collection alone."""
    write_collection("pond", DOCUMENTS)
    write_collection("swap", dict(zip(DOCUMENTS, reversed(DOCUMENTS.values()), strict=True)))
    run_experiment(experiment("pond", "swap"), "both")
    run_experiment(experiment("swap"), "alone")
    assert contents("alone") == {name: data for name, data in contents("both").items() if name.startswith("swap/")}
    for system in ("bm25", "tiny"):
        pond, swap = (Run.read(f"both/{name}/{system}.trec").to_dict()["q1"] for name in ("pond", "swap"))
        assert swap == pytest.approx({"d1": pond["d3"], "d2": pond["d2"], "d3": pond["d1"]}, abs=1e-5)
        assert pond["d1"] != pond["d3"]


def test_two_collections_of_one_name_have_two_folders(here: Path) -> None:
    """The second collection does not overwrite the first."""
    Path("other").mkdir()
    write_collection("pond", DOCUMENTS)
    write_collection("other/pond", dict(zip(DOCUMENTS, reversed(DOCUMENTS.values()), strict=True)))
    results = run_experiment(experiment("pond", "other/pond"), "both")
    assert [outcome.folder for outcome in results.outcomes] == ["pond", "pond-2"]
    assert contents("both")["pond/bm25.trec"] != contents("both")["pond-2/bm25.trec"]


@pytest.mark.parametrize("moment", ["cache/scores/*/[!.]*", "here/out/trec-dl19/tiny.trec"])
def test_killed_at_any_moment(here: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """SIGKILL while reranking or between two collections: scores are kept, and the runs are the same afterwards."""
    Path("again").symlink_to(Path("dl19").resolve())
    Path("killed.toml").write_text(KILLED)
    command = [sys.executable, "-c", "from ir_eval.cli import main; main()", "run", "killed.toml", "--out", "out"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ)
    while not any(here.parent.glob(moment)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not Path("out/results.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("scores/*/[!.]*")}
    assert kept
    run_experiment(read_experiment("killed.toml"), "out")
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in cache.glob("scores/*/[!.]*")}.items()
    monkeypatch.setenv("IR_EVAL_CACHE", str(here / "empty"))
    run_experiment(read_experiment("killed.toml"), "fresh")
    assert contents("out") == contents("fresh")
    assert len(contents("out")) == 6
