"""rerank: the top of a run in the model's order, and no score asked for twice or served for something else."""

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
    """43 topics."""
    return open_collection(str(data / "msmarco" / "trec-dl19"))


@pytest.fixture(scope="session")
def bm25(data: Path) -> Run:
    """100 documents for each of them."""
    return Run.read(data / "msmarco" / "trec-dl19" / "runs" / "bm25.top100.trec")


@dataclass
class Plain:
    """Scores a document by the words it shares with the query, and a little by its text."""

    weight: float = 1.0
    patience: float = float("inf")
    lots: list[int] = field(default_factory=list)

    def predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Score, until the patience is over."""
        if len(self.lots) == self.patience:
            raise KeyboardInterrupt
        self.lots.append(len(pairs))
        return [self.score(query, document) for query, document in pairs]

    def score(self, query: str, document: str) -> float:
        """Score one pair."""
        shared = len(set(query.lower().split()) & set(document.lower().split()))
        return self.weight * shared + hashlib.sha256(document.encode()).digest()[0] / 1000


class Overlap(Plain):
    """The same, with a fingerprint."""

    def fingerprint(self) -> str:
        """Name what decides a score."""
        return f"overlap {self.weight}"


@dataclass(frozen=True)
class Changed:
    """The documents of another source, one of them changed."""

    fingerprint: str
    source: Collection
    doc_id: str

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Nobody asks."""
        raise NotImplementedError

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return texts."""
        return self.source.source.texts(doc_ids) | {self.doc_id: "something else"}


def files(folder: Path) -> dict[Path, bytes]:
    """Return the contents of all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_top_is_ordered_by_the_models_scores(dl19: Collection, bm25: Run) -> None:
    """Exactly the first documents of the first stage, each with the score of its own pair."""
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
    """Its own scores; loaded again it is the same model, with one weight changed another one."""
    model = load_reranker(str(tiny_reranker))
    first = rerank(bm25, dl19, model, depth=3)
    query_id = next(iter(first.run))
    docs, scores = first.run[query_id]
    pairs = [(dl19.topics[query_id], text) for text in map(dl19.texts(docs.tolist()).__getitem__, docs.tolist())]
    assert scores.tolist() == pytest.approx(np.asarray(model.predict(pairs)), abs=1e-5)
    kept = files(cache)
    again = rerank(bm25, dl19, load_reranker(str(tiny_reranker)), depth=3)
    assert again == first  # to the stored nanosecond: nothing was scored
    assert files(cache) == kept
    changed = CrossEncoder(str(tiny_reranker))
    changed[-1].linear.bias.data += 1
    assert rerank(bm25, dl19, changed, depth=3).run[query_id][1].tolist() == pytest.approx(scores + 1, abs=1e-5)


def test_scores_are_kept_for_this_model_and_these_texts_only(dl19: Collection, bm25: Run) -> None:
    """Another model, a changed query and a changed document get scores of their own."""
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


def test_interrupted_work_goes_on(dl19: Collection, bm25: Run, cache: Path, tmp_path: Path) -> None:
    """Every pair is scored once over all attempts, and what is written is what one uncached attempt writes."""
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
def test_damaged_scores_are_made_again(dl19: Collection, bm25: Run, cache: Path, damage: str) -> None:
    """Whatever happened to the file."""
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


def test_the_depth_decides_how_many_queries_go_together(dl19: Collection, bm25: Run) -> None:
    """About as many pairs at once, and at least one query."""
    shallow, deep = Plain(), Plain()
    rerank(bm25, dl19, shallow, depth=1)
    rerank(bm25, dl19, deep, depth=10**9)
    assert shallow.lots == [43]
    assert deep.lots == [100] * 43


def test_queries_that_are_no_topics_are_left_out(dl19: Collection, bm25: Run) -> None:
    """A run may hold more; if nothing is in common, it is the wrong one."""
    query_id = next(iter(bm25))
    docs = {doc_id: 1.0 for doc_id in bm25[query_id][0].tolist()}
    assert list(rerank(Run.from_dict({query_id: docs, "more": docs}), dl19, Plain()).run) == [query_id]
    with pytest.raises(InputError, match="run 'odd' has queries like 'more', trec-dl19 topics like .* none in common"):
        rerank(Run.from_dict({"more": docs}, name="odd"), dl19, Plain())


class Wrong(Overlap):
    """Gives what it is told."""

    answer: float | list[float] = 0.0

    def predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Give it for the last pair, or for all."""
        return [0.0] * (len(pairs) - 1) + [self.answer] if isinstance(self.answer, float) else self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (float("nan"), "a score that is not finite, for query '.*' and document '.*'; expected a number; load the"),
        (float("inf"), "a score that is not finite"),
        ([1.0], r"a model with \(1,\) scores for 43 pairs; expected one each; rerank with a model of one label"),
    ],
)
def test_what_is_no_score_is_refused_and_not_kept(
    dl19: Collection, bm25: Run, cache: Path, answer: float | list[float], message: str
) -> None:
    """The message is one line, and a model that was mended is asked again."""
    model = Wrong()
    model.answer = answer
    with pytest.raises(InputError, match=message) as caught:
        rerank(bm25, dl19, model, depth=1)
    assert "\n" not in str(caught.value)
    assert not files(cache)


def test_input_that_cannot_be_reranked(dl19: Collection, bm25: Run, tmp_path: Path) -> None:
    """A depth of nothing, and a document that the collection lacks: said before anything is scored."""
    model = Plain()
    with pytest.raises(InputError, match="top 0 documents; expected at least 1"):
        rerank(bm25, dl19, model, depth=0)
    with pytest.raises(InputError, match="trec-dl19: 1 of 1 documents asked for .* 'nowhere'; give the run and the"):
        rerank(Run.from_dict({next(iter(bm25)): {"nowhere": 1.0}}), dl19, model)
    assert not model.lots


def test_a_moved_model_is_the_same_model(dl19: Collection, bm25: Run, tiny_reranker: Path, tmp_path: Path) -> None:
    """The content is the key, not the path."""
    first = rerank(bm25, dl19, load_reranker(str(tiny_reranker)), depth=1)
    moved = shutil.copytree(tiny_reranker, tmp_path / "moved")
    assert rerank(bm25, dl19, load_reranker(str(moved)), depth=1) == first
