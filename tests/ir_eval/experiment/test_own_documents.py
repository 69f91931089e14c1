"""Topics that are documents of the collection: a note says so, and `exclude_query` leaves them out."""

import json
from pathlib import Path

import numpy as np
import pytest

from gemma_st.build import sentence_transformer
from gemma_st.hub.saving import save
from ir_eval.cli import main
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.experiment import read_experiment, read_results, run_experiment
from ir_eval.retrieval.retriever import without_queries

TEXTS = {f"d{number}": f"gold fish number {word}" for number, word in enumerate("one two three four five".split())}
NOTE = "of 2 topics are documents of the collection and find themselves; leave them out by exclude_query = true"


@pytest.fixture(autouse=True)
def pond(here: Path) -> None:
    """A collection whose topics are two of its documents, and a run in which both find themselves."""
    Path("pond/qrels").mkdir(parents=True)
    for name, ids in (("corpus", list(TEXTS)), ("queries", ["d0", "d1"])):
        lines = (json.dumps({"_id": doc_id, "text": TEXTS[doc_id]}) + "\n" for doc_id in ids)
        Path(f"pond/{name}.jsonl").write_text("".join(lines))
    Path("pond/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nd0\td2\t1\nd1\td3\t1\n")
    rows = [
        (topic, doc_id, 9 - rank) for topic in ("d0", "d1") for rank, doc_id in enumerate([topic, "d2", "d3", "d4"])
    ]
    Path("a.trec").write_text("".join(f"{topic} Q0 {doc_id} 1 {score} a\n" for topic, doc_id, score in rows))


def test_every_system_leaves_the_topics_own_document_out(tiny_gemma: Path, here: Path) -> None:
    """Before the cutoff: each topic has as many documents as asked for, and those are the next ones."""
    save(sentence_transformer(tiny_gemma), Path("encoder"))
    text = 'collections = ["pond"]\nmeasures = ["mrr"]\n'
    kinds = {
        "bm25": 'retrieve = "bm25"\nhits = {}',
        "dense": 'retrieve = "dense"\nmodel = "encoder"\nhits = {}',
        "given": 'run = "a.trec"',
        "rerank": 'rerank = "given"\nmodel = "tiny"\ndepth = {}',
    }
    files = {}
    for number, (depth, option) in enumerate([(2, "exclude_query = true\n"), (3, "")]):
        systems = "".join(f"[systems.{name}]\n{kind.format(depth)}\n{option}" for name, kind in kinds.items())
        files[number] = Path(f"{number}.toml")
        files[number].write_text(text + systems)
    excluded, whole = (run_experiment(read_experiment(path), f"out{path}").outcomes[0] for path in files.values())
    for system, before in zip(excluded.systems, whole.systems, strict=True):
        for topic in ("d0", "d1"):
            found = system.run[topic][0].tolist()
            assert topic not in found
            assert len(found) == (3 if system.run.name == "given" else 2)
            if system.run.name != "rerank":
                expected = [doc_id for doc_id in before.run[topic][0].tolist() if doc_id != topic]
                assert found == expected[: len(found)]
    assert excluded.notes == []
    assert [note.partition(" ")[2].partition(", or")[0] for note in whole.notes] == [NOTE]
    assert read_results("out1.toml").outcomes[0].notes == whole.notes
    again = read_experiment("0.toml")
    assert all(system.to_dict()["exclude_query"] for system in again.systems.values())
    Path("again.toml").write_text(again.to_toml())
    assert read_experiment("again.toml") == again


def test_the_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The note names it, and disappears with it."""
    command = ["run", "pond", "--first-stage", "a.trec", "--rerank", "tiny", "--depth", "2", "-m", "mrr"]
    assert main([*command, "--out", "out"]) == 0
    assert f"pond: 2 {NOTE}, or --exclude-query" in capsys.readouterr().out
    (place,) = json.loads(Path("out/results.json").read_text())["collections"]
    assert place["own_documents"] == 2
    assert main([*command, "--exclude-query", "--out", "out"]) == 0
    assert NOTE not in capsys.readouterr().out
    assert Run.read("out/pond-test/tiny-reranker.trec").to_dict()["d0"].keys() == {"d2", "d3"}


def test_equal_ids_of_other_texts_are_no_own_documents(capsys: pytest.CaptureFixture[str]) -> None:
    """Many collections number topics and documents from 1: these have nothing to do with each other."""
    Path("pond/queries.jsonl").write_text('{"_id": "d0", "text": "silver"}\n{"_id": "d1", "text": "copper"}\n')
    assert main(["run", "pond", "--first-stage", "a.trec", "-m", "mrr"]) == 0
    assert "themselves" not in capsys.readouterr().out


def test_without_queries_equals_a_loop() -> None:
    """Also for ids of other alphabets; a run of nothing else is an error."""
    rng = np.random.default_rng(0)
    ids = ["1", "10", "é", "d", "金魚"]
    scores = {topic: {str(doc_id): float(rng.random()) for doc_id in rng.permutation(ids)[:4]} for topic in ids}
    expected = {topic: {doc_id: s for doc_id, s in row.items() if doc_id != topic} for topic, row in scores.items()}
    assert without_queries(Run.from_dict(scores)) == Run.from_dict(expected)
    assert without_queries(Run.from_dict(scores), 2) == Run.from_dict(expected).top(2)
    with pytest.raises(InputError, match="every query finds only itself"):
        without_queries(Run.from_dict({"a": {"a": 1.0}}))
