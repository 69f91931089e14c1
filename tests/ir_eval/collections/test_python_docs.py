"""The packaged collection: its size, its rules for queries and passages, and its cache."""

import re
from pathlib import Path

import pytest

from ir_eval.collections import Collection, open_collection
from ir_eval.collections.docstrings import read_entries, read_sources
from ir_eval.collections.python_docs import _write_collection
from ir_eval.errors import InputError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that starts empty."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def collection(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """The collection; the first test builds it."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(cache))
    return open_collection()


def words(text: str) -> str:
    """Lower-case words with single blanks between and around them."""
    return f" {' '.join(re.findall(r'[a-z0-9_]+', text.lower()))} "


def test_size_and_identity(collection: Collection) -> None:
    """Thousands of passages, hundreds of queries, one relevant passage each."""
    documents = dict(collection.documents())
    assert (collection.name, collection.split) == ("python-docs", "test")
    assert len(documents) > 4000
    assert len(collection.topics) == 300
    assert collection.qrels is not None
    assert all(list(collection.qrels[query_id].values()) == [1] for query_id in collection.topics)
    assert set(collection.qrels.doc_ids.tolist()) <= set(documents)
    assert {"json.dumps", "json.dump", "reference.assert"} <= set(documents)
    assert documents["json.dump"].startswith("json.dump ")  # the title leads
    assert max(len(text.split()) for text in documents.values()) <= 121  # and its name is one word


def test_no_passage_holds_a_query_word_for_word(collection: Collection) -> None:
    """Nor does a query contain the name of its documented object."""
    everything = "\n".join(words(text) for _, text in collection.documents())
    assert not [query for query in collection.topics.values() if words(query) in everything]
    assert collection.qrels is not None
    for query_id, query in collection.topics.items():
        (name,) = collection.qrels[query_id]
        assert words(name.rpartition(".")[2]) not in words(query)
        assert 4 <= len(query.split()) <= 20
    assert len(set(collection.topics.values())) == len(collection.topics)


def test_relevant_passages_are_unique_and_substantial(collection: Collection) -> None:
    """A relevant passage occurs once, and has enough text without its summary line."""
    assert collection.qrels is not None
    relevant = set(collection.qrels.doc_ids.tolist())
    bodies = [words(text.partition(" ")[2]) for doc_id, text in collection.documents() if doc_id in relevant]
    everything = "\n".join(words(text) for _, text in collection.documents())
    assert all(everything.count(body) == 1 for body in bodies)
    assert min(len(body.split()) for body in bodies) >= 20


def test_built_once_and_the_same_each_time(collection: Collection, cache: Path, tmp_path: Path) -> None:
    """A second opening finds the cached folder; a second build writes the same bytes."""
    (folder,) = (cache / "collections").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert open_collection("python-docs", split="test").fingerprint == collection.fingerprint
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == before
    _write_collection(read_entries(read_sources()), tmp_path)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_changed_sources_make_another_collection(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache key is the content of the sources, not their folder; one more module is another collection."""
    library = tmp_path / "library"
    for path, source in read_sources().items():
        (library / path).parent.mkdir(parents=True, exist_ok=True)
        (library / path).write_bytes(source)
    monkeypatch.setenv("IR_EVAL_CACHE", str(cache))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(library))
    same = open_collection()
    (library / "extra.py").write_text('"""A module added later, with enough words to be a passage of its own."""')
    more = open_collection()
    assert len(list((cache / "collections").iterdir())) == 2
    assert {doc_id for doc_id, _ in more.documents()} - {doc_id for doc_id, _ in same.documents()} == {"extra"}


def test_an_interpreter_without_sources_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Embedded distributions of Python have no sources."""
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(InputError, match=f"{tmp_path}: no Python sources"):
        open_collection()


def test_only_the_test_split(collection: Collection) -> None:
    """The collection has no other split."""
    with pytest.raises(InputError, match=f"{collection.name}: no split 'dev'; expected test"):
        open_collection("python-docs", split="dev")


@pytest.mark.parametrize("source", [b"def (", b"\xff\xfe", b"x = '\0'", b"(" * 5000])
def test_a_source_file_that_is_no_python_is_named(source: bytes) -> None:
    """Somebody has put it, or left half of it, in the folder of the standard library."""
    with pytest.raises(InputError, match="^odd.py:[0-9]+: not readable as Python [^\n]*; expected the library"):
        read_entries({"odd.py": source})
