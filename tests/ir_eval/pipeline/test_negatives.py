"""Tests of ir_eval.pipeline.negatives: lists that a reranker is trained on."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ir_eval.collections import Collection, open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.pipeline.negatives import Mining, mine

Toy = Callable[..., Collection]

TEXTS = {
    "a": "Red fox",
    "b": "red  FOX",  # equals a, ignoring case and whitespace
    "c": "red fox in the snow",
    "d": "grey fox",
    "e": "blue sky",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A function that writes a BEIR folder with these judgements, and ``run.trec``, which ranks all five documents."""

    def make(**judged: dict[str, int]) -> Collection:
        folder = tmp_path / "toy"
        (folder / "qrels").mkdir(parents=True)
        lines = [json.dumps({"_id": doc_id, "text": text}) for doc_id, text in TEXTS.items()]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
        lines = [json.dumps({"_id": query_id, "text": f"query {query_id}"}) for query_id in judged]
        (folder / "queries.jsonl").write_text("\n".join(lines))
        levels = [f"{query}\t{doc}\t{level}\n" for query, docs in judged.items() for doc, level in docs.items()]
        (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(levels))
        every = {query_id: {doc_id: float(-place) for place, doc_id in enumerate(TEXTS)} for query_id in judged}
        Run.from_dict(every).write(tmp_path / "run.trec")
        return open_collection(str(folder))

    return make


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lists of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lists_from_bm25_on_real_questions(data: Path, tmp_path: Path) -> None:
    """Each list starts with the query's relevant document, and the same seed gives the same bytes."""
    collection = open_collection(str(data / "beir" / "scifact-train"), split="train")
    assert collection.qrels is not None
    mining = Mining(queries=40, negatives=4, depth=20)
    assert mine(collection, mining, tmp_path / "lists.jsonl") == 40
    lists = read(tmp_path / "lists.jsonl")
    queries = {text: query_id for query_id, text in collection.topics.items()}
    ids = {text: doc_id for doc_id, text in collection.documents()}
    for row in lists:
        relevant = collection.qrels[queries[row["query"]]]
        found = [ids[text] for text in row["documents"]]
        assert row["labels"] == [1, 0, 0, 0, 0]
        assert len(set(found)) == 5
        assert [doc_id in relevant for doc_id in found] == [True, False, False, False, False]
    first = (tmp_path / "lists.jsonl").read_bytes()
    mine(collection, mining, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == first
    mine(collection, replace(mining, seed=1), tmp_path / "other.jsonl")
    assert {row["query"] for row in read(tmp_path / "other.jsonl")} != {row["query"] for row in lists}


def test_a_copy_of_a_relevant_document_is_not_a_negative(toy: Toy, tmp_path: Path) -> None:
    """Neither is another relevant document; a document judged not relevant is. The highest grade comes first."""
    collection = toy(q={"c": 1, "a": 2, "d": 0})
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=2)
    assert mine(collection, mining, tmp_path / "lists.jsonl") == 1
    (row,) = read(tmp_path / "lists.jsonl")
    assert row["query"] == "query q"
    assert row["documents"][0] == "Red fox"
    assert sorted(row["documents"][1:]) == ["blue sky", "grey fox"]


def test_depth_is_the_last_rank(toy: Toy, tmp_path: Path) -> None:
    """With depth 4, the document at rank 5 is not a negative."""
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=2, depth=4)
    mine(toy(q={"a": 1}), mining, tmp_path / "lists.jsonl")
    assert sorted(read(tmp_path / "lists.jsonl")[0]["documents"][1:]) == ["grey fox", "red fox in the snow"]


def test_start_is_the_first_rank(toy: Toy, tmp_path: Path) -> None:
    """With start 4, ranks 1 to 3 are skipped; relevant documents count as ranks."""
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=2, start=4)
    mine(toy(q={"a": 1}), mining, tmp_path / "lists.jsonl")
    assert sorted(read(tmp_path / "lists.jsonl")[0]["documents"][1:]) == ["blue sky", "grey fox"]
    with pytest.raises(InputError, match="start 6, depth 5; expected a start of at most the depth"):
        Mining(start=6, depth=5)


def test_several_relevant_documents_keep_their_grades(toy: Toy, tmp_path: Path) -> None:
    """The highest grades come first, up to ``positives``; the remaining relevant documents are not negatives."""
    collection = toy(q={"c": 1, "a": 3, "e": 2})
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=1, positives=2)
    mine(collection, mining, tmp_path / "lists.jsonl")
    (row,) = read(tmp_path / "lists.jsonl")
    assert row["documents"] == ["Red fox", "blue sky", "grey fox"]
    assert row["labels"] == [3, 2, 0]


def test_the_origin_of_the_lists_is_recorded(toy: Toy, tmp_path: Path) -> None:
    """The file beside the lists holds the settings, and the hashes of the run and of the lists."""
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=1, seed=7)
    collection = toy(q={"a": 1})
    mine(collection, mining, tmp_path / "lists.jsonl")
    origin = json.loads((tmp_path / "lists.json").read_text())
    asked = {"collection": "toy", "split": "train", "start": 1, "depth": 50, "negatives": 1, "seed": 7, "lists": 1}
    assert asked.items() <= origin.items()
    assert origin["sha256"] == sha256((tmp_path / "lists.jsonl").read_bytes()).hexdigest()
    assert origin["first_stage_sha256"] == sha256((tmp_path / "run.trec").read_bytes()).hexdigest()
    assert origin["versions"]["pyserini"] == version("pyserini")
    with pytest.raises(InputError, match=r"lists.json: expected a name that ends in \.jsonl"):
        mine(collection, mining, tmp_path / "lists.json")


def test_queries_without_enough_candidates_are_left_out(toy: Toy, tmp_path: Path) -> None:
    """Also queries without a relevant document or outside the run; if no query is left, no file is written."""
    collection = toy(q1={"a": 1}, q2={"a": 1, "c": 1, "d": 1}, q3={"a": 0}, q4={"a": 1})
    run = Run.read(tmp_path / "run.trec").to_dict()
    del run["q4"]
    Run.from_dict(run).write(tmp_path / "run.trec")
    mining = Mining(first_stage=str(tmp_path / "run.trec"), negatives=3)
    assert mine(collection, mining, tmp_path / "lists.jsonl") == 1
    assert [row["query"] for row in read(tmp_path / "lists.jsonl")] == ["query q1"]
    with pytest.raises(
        InputError, match="toy: none of 3 queries has 4 candidates; .* increase the depth or ask for fewer"
    ):
        mine(collection, replace(mining, negatives=4), tmp_path / "new" / "none.jsonl")
    assert not list((tmp_path / "new").iterdir())


def test_a_missing_relevant_document_is_an_error(toy: Toy, tmp_path: Path) -> None:
    """The error names the document, and no file is written."""
    collection = toy(q={"lost": 1, "d": 0})
    with pytest.raises(InputError, match="toy: 1 of 6 documents asked for are not in the collection, .* 'lost'"):
        mine(collection, Mining(first_stage=str(tmp_path / "run.trec"), negatives=1), tmp_path / "lists.jsonl")
    assert not (tmp_path / "lists.jsonl").exists()


def test_wrong_input_is_an_error(toy: Toy, tmp_path: Path) -> None:
    """Numbers, judgements and the path are checked before any work."""
    least = {"start": 1, "depth": 1, "positives": 1, "negatives": 1, "queries": 1, "seed": 0}
    for name, value in least.items():
        message = f"^{name} = {value - 1}; Input should be greater than or equal to {value}$"
        with pytest.raises(InputError, match=message):
            Mining(**{name: value - 1})
    collection = toy(q={"a": 1})
    with pytest.raises(InputError, match="toy: no judgements to mine with; .* add them"):
        mine(replace(collection, qrels=None), Mining(), tmp_path / "lists.jsonl")
    with pytest.raises(InputError, match=r"run\.trec: cannot be written"):
        mine(collection, Mining(), tmp_path / "run.trec" / "lists.jsonl")
