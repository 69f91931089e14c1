"""Tests of ir_eval.retrieval.open_retriever: kinds and options from a TOML file, and their errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ir_eval.collections import Collection
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError
from ir_eval.retrieval import open_retriever
from ir_eval.retrieval.bm25 import BM25
from ir_eval.retrieval.dense import Dense


class Empty:
    """No documents."""

    fingerprint = "nothing"

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield no document."""
        return iter(())

    def texts(self, doc_ids: object) -> dict[str, str]:
        """Return no text."""
        return {}


COLLECTION = Collection("empty", None, {"q": "fox"}, Qrels.from_dict({"q": {"d1": 1}}), Empty())


def test_kinds_and_their_options() -> None:
    """The result equals a direct call of the class."""
    rm3 = open_retriever("bm25", COLLECTION, feedback="rm3", k1=1)
    assert rm3 == BM25(COLLECTION, feedback="rm3", k1=1)
    dense = open_retriever("dense", COLLECTION, model="owner/model", index="hnsw")
    assert dense == Dense(COLLECTION, "owner/model", index="hnsw")
    assert (rm3.name, dense.name) == ("bm25+rm3", "model+hnsw")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("splade", {}, "first stage 'splade'; expected bm25 or dense"),
        ("bm25", {"rm3": True}, "first stage bm25: got an unexpected .* 'rm3'; its options are k1, b, similarity, fee"),
        ("dense", {}, "first stage dense: missing a required argument: 'model'; its options are model, index, query_"),
        ("bm25", {"b": True}, "BM25 with b = True; Input should be a valid number"),
        ("bm25", {"threads": 1.5}, "BM25 with threads = 1.5; Input should be a valid integer"),
        ("bm25", {"similarity": "tfidf"}, "BM25 with similarity = 'tfidf'; Input should be 'bm25' or 'qld'"),
        ("dense", {"model": 1}, "Dense with model = 1; Input should be a valid string"),
        (
            "dense",
            {"model": "a/b", "index": "lsh"},
            "Dense with index = 'lsh'; Input should be 'flat', 'ivf', 'hnsw' or",
        ),
        ("dense", {"model": "a/b", "index": []}, r"Dense with index = \[\]; Input should be 'flat'"),
    ],
)
def test_wrong_kinds_and_options_are_errors(kind: str, options: dict[str, Any], message: str) -> None:
    """The error comes before anything is built."""
    with pytest.raises(InputError, match=message):
        open_retriever(kind, COLLECTION, **options)


def test_an_empty_collection_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BM25 and dense retrieval raise the same error."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path))
    for kind, options in (("bm25", {}), ("dense", {"model": "all-minilm-l6-v2"})):
        with pytest.raises(InputError, match="empty: no documents; expected at least one"):
            open_retriever(kind, COLLECTION, **options).search({"q": "fox"})


@pytest.mark.parametrize("name", ["collection", "kind", "_", "self", "name", "Language"])
def test_an_option_that_is_a_parameter_of_another_kind_is_unknown(name: str) -> None:
    """The name of an argument of `open_retriever` itself is an unknown option, too."""
    with pytest.raises(InputError, match=f"first stage bm25: .*'{name}'.*; its options are k1, b, similarity, "):
        open_retriever("bm25", COLLECTION, **{name: "x"})
