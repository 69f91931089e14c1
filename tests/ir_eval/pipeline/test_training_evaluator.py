"""Tests of ir_eval.pipeline.training_evaluator: a reranker is evaluated while it is trained."""

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from ir_eval.collections import open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.pipeline.rerank import Pairs, rerank
from ir_eval.pipeline.training_evaluator import rerank_evaluator


class Lengths:
    """A reranker that prefers documents of one length, and whose fingerprint must not be computed."""

    def __init__(self, best: int) -> None:
        """Keep the length, and count the scored pairs."""
        self.best, self.asked = best, 0

    def predict(self, pairs: Pairs, /) -> list[float]:
        """Score by the length of the document."""
        self.asked += len(pairs)
        return [-float(abs(len(document) - self.best)) for _, document in pairs]

    def fingerprint(self) -> str:
        """Fail the test."""
        pytest.fail("the weights must not be hashed: the scores of a model in training are not cached")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A BEIR folder of six documents and four queries, and ``run.trec`` with five documents per query."""
    folder = tmp_path / "toy"
    (folder / "qrels").mkdir(parents=True)
    texts = {f"d{place}": "x" * place for place in range(1, 7)}
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps({"_id": key, "text": texts[key]}) for key in texts))
    queries = [{"_id": f"q{place}", "text": f"query {place}"} for place in range(1, 5)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    judged = "".join(f"q{place}\td{place}\t{place % 2 + 1}\n" for place in range(1, 5))
    (folder / "qrels/dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    ranked = {doc_id: -float(place) for place, doc_id in enumerate(list(texts)[:5])}
    Run.from_dict({query["_id"]: ranked for query in queries}).write(tmp_path / "run.trec")
    return folder


def test_the_result_equals_rerank_and_evaluate(toy: Path, tmp_path: Path) -> None:
    """Every call scores anew; later calls read no documents from disk."""
    run = str(tmp_path / "run.trec")
    evaluator = rerank_evaluator(collection=str(toy), run=run, depth=5, measures=["ndcg@10", "mrr@2"])
    assert evaluator.measures == ("ndcg@10", "mrr@2")
    collection = open_collection(str(toy))
    assert collection.qrels is not None
    found = []
    for best in (1, 5):
        model = Lengths(best)
        found.append(evaluator(model))
        assert model.asked == 20
        plain = type("Plain", (), {"predict": model.predict})()
        reranked = rerank(Run.read(run), collection, plain, depth=5).run
        assert found[-1] == evaluate(collection.qrels, reranked, ["ndcg@10", "mrr@2"]).means
    assert found[0] != found[1]
    (toy / "corpus.jsonl").unlink()  # the texts are in memory
    assert evaluator(Lengths(5)) == found[1]


def test_the_seed_decides_the_sample_of_queries(toy: Path, tmp_path: Path) -> None:
    """Two of four queries are drawn, and the means are over these two."""
    options: dict[str, Any] = {"collection": str(toy), "run": str(tmp_path / "run.trec"), "queries": 2}
    samples = [rerank_evaluator(**options, seed=seed).collection for seed in range(10)]
    assert len({tuple(sample.topics) for sample in samples}) > 1
    for sample in samples:
        assert sample.qrels is not None
        assert len(sample.topics) == len(sample.qrels) == 2
    assert rerank_evaluator(**options, seed=3).collection.topics == samples[3].topics
    first = rerank_evaluator(**options, measures=["mrr@1"])
    (one, other) = (int(query_id[1:]) for query_id in first.collection.topics)
    assert first(Lengths(one)) == {"mrr@1": 0.5}
    assert one != other


def test_bm25_can_be_the_first_stage(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search happens at the first call of the evaluator."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    lines = (toy / "queries.jsonl").read_text().replace("query 2", "xx").replace("query", "xxx")
    (toy / "queries.jsonl").write_text(lines)
    evaluator = rerank_evaluator(collection=str(toy), measures=["mrr@10"])
    assert not (tmp_path / "cache").exists()
    assert evaluator(Lengths(3))["mrr@10"] == 0.5  # q2 and q3 retrieve their relevant document, q1 and q4 do not


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": "ndcg@10"}, "measures 'ndcg@10'; expected a list"),
        ({"measures": ["best"]}, "best"),
        ({"depth": 0}, "depth 0; expected a whole number above 0"),
        ({"queries": True}, "queries True; expected a whole number above 0"),
        ({"split": "train"}, "train"),
    ],
)
def test_wrong_options_are_reported_before_training(toy: Path, options: dict[str, Any], message: str) -> None:
    """The error comes when the evaluator is made."""
    with pytest.raises(InputError, match=message):
        rerank_evaluator(collection=str(toy), **options)


def test_the_entry_point_is_registered() -> None:
    """``[evaluation] name = "rerank"``, the default, finds it."""
    found = {entry.name: entry for entry in entry_points(group="gemma_st.evaluators")}
    assert found["rerank"].load() is rerank_evaluator
