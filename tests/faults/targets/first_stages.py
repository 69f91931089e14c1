"""Run files as first stages of a collection: reranked, mined and fused."""

from pathlib import Path

from ir_eval.collections import open_collection
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.pipeline.fusion import fuse
from ir_eval.pipeline.negatives import Mining, mine
from ir_eval.pipeline.rerank import Pairs, rerank
from tests.faults.fuzzer import Target
from tests.faults.targets.collections import BEIR, write

SEEDS = (
    b"q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.25 bm25\nq2 Q0 d1 1 -3 bm25\n",
    b"q1\tQ0\td2\t1\t9\ttag\nq1\tQ0\t3\t2\t9\ttag\nq2\tQ0\td2\t7\t1e-3\ttag\n",
)


class Lengths:
    """A reranker that needs no weights."""

    def predict(self, pairs: Pairs) -> list[int]:
        """Score a pair by the length of its document."""
        return [len(document) for _, document in pairs]


def _read(folder: Path, data: bytes) -> None:
    path = folder / "run.trec"
    path.write_bytes(data)
    run, collection = Run.read(path, name="given"), open_collection(str(folder))
    qrels = collection.judgements()
    evaluate(qrels, run, ["ndcg@10", "map", "mrr@10", "bpref", "r-precision", "judged@10"])
    evaluate(qrels, fuse([run, run.top(1)], "sum", normalisation="z-score"), ["recall@100"])
    rerank(run, collection, Lengths(), depth=2)


def _mine(folder: Path, data: bytes) -> None:
    (folder / "run.trec").write_bytes(data)
    mining = Mining(first_stage=str(folder / "run.trec"), negatives=1)
    mine(open_collection(str(folder)), mining, folder / "mined.jsonl")


def _prepare(folder: Path) -> None:
    write(BEIR, folder)


TARGETS = (
    Target("first stage", SEEDS, _read, prepare=_prepare, share=0.3),
    Target("first stage to mine", SEEDS, _mine, prepare=_prepare, share=0.1),
)
