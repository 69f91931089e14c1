"""Tests of ir_eval.pipeline.rerank: the order, the cache of scores, resumption, and errors."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from gemma_st import CrossEncoder
from ir_eval.collections import Collection, open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.pipeline.rerank import PAIRS_PER_BATCH, load_reranker, rerank


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def dl19(data: Path) -> Collection:
    """TREC-DL 2019, 43 topics."""
    return open_collection(str(data / "msmarco" / "trec-dl19"))


@pytest.fixture(scope="session")
def bm25(data: Path) -> Run:
    """The top 100 documents of BM25 for each topic."""
    return Run.read(data / "msmarco" / "trec-dl19" / "runs" / "bm25.top100.trec")


@dataclass
class Plain:
    """Scores a document by the words it shares with the query, plus a small hash of its text."""

    weight: float = 1.0
    patience: float = float("inf")
    lots: list[int] = field(default_factory=list)

    def predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Score the pairs, or interrupt if ``patience`` batches have been scored."""
        if len(self.lots) == self.patience:
            raise KeyboardInterrupt
        self.lots.append(len(pairs))
        return [self.score(query, document) for query, document in pairs]

    def score(self, query: str, document: str) -> float:
        """Score one pair."""
        shared = len(set(query.lower().split()) & set(document.lower().split()))
        return self.weight * shared + hashlib.sha256(document.encode()).digest()[0] / 1000


class Overlap(Plain):
    """The same reranker with a fingerprint, so that its scores are cached."""

    def fingerprint(self) -> str:
        """Return the parameter that decides a score."""
        return f"overlap {self.weight}"


@dataclass(frozen=True)
class Changed:
    """The documents of another collection with one changed text."""

    fingerprint: str
    source: Collection
    doc_id: str

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Fail the test."""
        pytest.fail("the documents must not be read one by one")

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return texts."""
        return self.source.source.texts(doc_ids) | {self.doc_id: "something else"}


def files(folder: Path) -> dict[Path, bytes]:
    """Return the contents of all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "about.txt"}


def test_the_top_is_ordered_by_the_scores_of_the_model(dl19: Collection, bm25: Run) -> None:
    """The run holds exactly the top documents of the first stage, each with the score of its own pair."""
    run, seconds = rerank(bm25, dl19, Overlap(), depth=7, name="overlap")
    assert (run.name, len(run)) == ("overlap", 43)
    assert seconds > 0
    for query_id in run:
        first = bm25[query_id][0][:7].tolist()
        texts = dl19.texts(first)
        expected = {doc_id: np.float32(Plain().score(dl19.topics[query_id], texts[doc_id])) for doc_id in first}
        docs, scores = run[query_id]
        assert dict(zip(docs.tolist(), scores, strict=True)) == expected


def test_a_real_model(dl19: Collection, bm25: Run, tiny_reranker: Path, cache: Path) -> None:
    """The scores are the model's. Loaded again, it uses the cache; with one changed weight, it does not."""
    model = load_reranker(str(tiny_reranker))
    first = rerank(bm25, dl19, model, depth=3)
    query_id = next(iter(first.run))
    docs, scores = first.run[query_id]
    pairs = [(dl19.topics[query_id], text) for text in map(dl19.texts(docs.tolist()).__getitem__, docs.tolist())]
    assert scores.tolist() == pytest.approx(np.asarray(model.predict(pairs)), abs=1e-5)
    kept = files(cache)
    again = rerank(bm25, dl19, load_reranker(str(tiny_reranker)), depth=3)
    assert again == first  # the time is equal too, so nothing was scored
    assert files(cache) == kept
    changed = CrossEncoder(str(tiny_reranker))
    changed[-1].linear.bias.data += 1
    assert rerank(bm25, dl19, changed, depth=3).run[query_id][1].tolist() == pytest.approx(scores + 1, abs=1e-5)


def test_the_cache_key_holds_model_and_texts(dl19: Collection, bm25: Run) -> None:
    """Another model, a changed query and a changed document are scored anew; nothing else is."""
    bm25 = bm25.top(20)
    rerank(bm25, dl19, Overlap())
    query_id = next(iter(bm25))
    doc_id = bm25[query_id][0][0]
    requeried = replace(dl19, topics=dl19.topics | {query_id: "the"})
    rewritten = replace(dl19, source=Changed(dl19.fingerprint, dl19, doc_id))
    for model, collection in ((Overlap(2.0), dl19), (Overlap(), requeried), (Overlap(), rewritten)):
        uncached = rerank(bm25, collection, Plain(model.weight)).run
        assert rerank(bm25, collection, model).run == uncached
        assert model.lots
    for model in (Overlap(), Overlap(2.0)):
        rerank(bm25, dl19, model)
        assert not model.lots


def test_interrupted_work_resumes(dl19: Collection, bm25: Run, cache: Path, tmp_path: Path) -> None:
    """Every pair is scored once over all attempts, and the run file equals that of one uncached attempt."""
    whole = Plain()
    rerank(bm25, dl19, whole, name="overlap").run.write(tmp_path / "uncached.trec")
    assert sum(whole.lots) == 4300
    assert max(whole.lots) <= PAIRS_PER_BATCH
    assert not cache.exists()
    attempts = [Overlap(patience=5), Overlap(patience=1), Overlap()]
    for model in attempts[:2]:
        with pytest.raises(KeyboardInterrupt):
            rerank(bm25, dl19, model)
    made, reread = (rerank(bm25, dl19, model, name="overlap") for model in (attempts[2], Overlap(patience=0)))
    assert [lot for model in attempts for lot in model.lots] == whole.lots
    assert made == reread
    for name, result in (("made", made), ("reread", reread)):
        result.run.write(tmp_path / f"{name}.trec")
        assert (tmp_path / f"{name}.trec").read_bytes() == (tmp_path / "uncached.trec").read_bytes()
    assert not [path for path in cache.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("damage", ["empty", "cut", "turned", "long", "folder"])
def test_damaged_scores_are_computed_again(dl19: Collection, bm25: Run, cache: Path, damage: str) -> None:
    """The cache notices any change of the file; a path that is not writable is an error."""
    first = rerank(bm25, dl19, Overlap(), depth=5).run
    path, content = next(iter(files(cache).items()))
    if damage == "folder":
        path.unlink()
        path.mkdir()
        with pytest.raises(InputError, match=f"{path}: cannot be written"):
            rerank(bm25, dl19, Overlap(), depth=5)
        return
    turned = content[:50] + bytes([content[50] ^ 1]) + content[51:]
    path.write_bytes({"empty": b"", "cut": content[:-8], "turned": turned, "long": content + b"\0" * 8}[damage])
    model = Overlap()
    assert rerank(bm25, dl19, model, depth=5).run == first
    assert len(model.lots) == 1
    mended = Overlap()
    assert rerank(bm25, dl19, mended, depth=5).run == first
    assert not mended.lots


def test_the_depth_decides_the_queries_per_batch(dl19: Collection, bm25: Run) -> None:
    """A batch holds at most PAIRS_PER_BATCH pairs, but at least one query."""
    shallow, deep = Plain(), Plain()
    rerank(bm25, dl19, shallow, depth=1)
    rerank(bm25, dl19, deep, depth=10**9)
    assert shallow.lots == [43]
    assert deep.lots == [100] * 43


def test_queries_that_are_not_topics_are_ignored(dl19: Collection, bm25: Run) -> None:
    """If no query of the run is a topic, it is an error."""
    query_id = next(iter(bm25))
    docs = {doc_id: 1.0 for doc_id in bm25[query_id][0].tolist()}
    assert list(rerank(Run.from_dict({query_id: docs, "more": docs}), dl19, Plain()).run) == [query_id]
    with pytest.raises(InputError, match="run 'odd' has queries like 'more', trec-dl19 topics like .* none in common"):
        rerank(Run.from_dict({"more": docs}, name="odd"), dl19, Plain())


class Wrong(Overlap):
    """Returns a wrong answer."""

    answer: float | list[float] = 0.0

    def predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Return a wrong score for the last pair, or a wrong list."""
        return [0.0] * (len(pairs) - 1) + [self.answer] if isinstance(self.answer, float) else self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (float("nan"), "the score of query '.*' and document '.*' is not finite; expected a number; load the"),
        (float("inf"), "the score of query .* is not finite"),
        (
            [1.0],
            r"a model with \(1,\) scores for 43 pairs; expected one score per pair; rerank with a model of one label",
        ),
    ],
)
def test_wrong_scores_are_an_error_and_not_cached(
    dl19: Collection, bm25: Run, cache: Path, answer: float | list[float], message: str
) -> None:
    """The message is one line, and the cache stays empty."""
    model = Wrong()
    model.answer = answer
    with pytest.raises(InputError, match=message) as caught:
        rerank(bm25, dl19, model, depth=1)
    assert "\n" not in str(caught.value)
    assert not files(cache)


def test_wrong_input_is_an_error(dl19: Collection, bm25: Run, tmp_path: Path) -> None:
    """A depth of 0 and a document that the collection lacks are reported before anything is scored."""
    model = Plain()
    with pytest.raises(InputError, match="top 0 documents; expected at least 1"):
        rerank(bm25, dl19, model, depth=0)
    with pytest.raises(InputError, match="trec-dl19: 1 of 1 documents asked for .* 'nowhere'; give the run and the"):
        rerank(Run.from_dict({next(iter(bm25)): {"nowhere": 1.0}}), dl19, model)
    assert not model.lots


def test_a_moved_model_is_the_same_model(dl19: Collection, bm25: Run, tiny_reranker: Path, tmp_path: Path) -> None:
    """The cache key depends on the content of the model and not on its path."""
    first = rerank(bm25, dl19, load_reranker(str(tiny_reranker)), depth=1)
    moved = shutil.copytree(tiny_reranker, tmp_path / "moved")
    assert rerank(bm25, dl19, load_reranker(str(moved)), depth=1) == first
