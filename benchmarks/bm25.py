"""Time BM25 for the 1,360 questions of nq-qed dev, 1,000 hits each: ir_eval against Pyserini's own batch search.

    python benchmarks/bm25.py [DATA]

DATA (default: $GEMMA_ST_DATA or ../shared/data) holds ``beir/nq-qed``. Both search the same index with the same number
of threads and end with a run in memory; the scores must be equal. The output is the time of each in seconds, and as a
multiple of ir_eval's time.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import ModuleType

import numpy as np

from ir_eval.collections import open_collection
from ir_eval.data.run import Run
from ir_eval.retrieval.bm25 import BM25

HITS = 1000


def with_pyserini(bm25: BM25, topics: dict[str, str]) -> Run:
    """Search as in Pyserini's documentation."""
    # The real pyserini.encode creates an OpenAI client on import, which needs a key.
    encode = ModuleType("pyserini.encode")
    encode.__dict__["__getattr__"] = lambda name: object
    sys.modules.setdefault("pyserini.encode", encode)
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(str(bm25.index_path))
    searcher.set_bm25(bm25.k1, bm25.b)
    found = searcher.batch_search(list(topics.values()), list(topics), k=HITS, threads=os.cpu_count() or 1)
    rows = [(query_id, hit.docid, hit.score) for query_id, hits in found.items() for hit in hits]
    queries, docs, scores = zip(*rows, strict=True)
    return Run.from_columns(queries, docs, np.array(scores, dtype=np.float32))


def main() -> None:
    """Build the index, warm both up, time both, and compare the runs."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("GEMMA_ST_DATA", "../shared/data"))
    collection = open_collection(str(data / "beir/nq-qed"), split="dev")
    bm25 = BM25(collection)
    few = dict(list(collection.topics.items())[:100])
    bm25.search(few, HITS), with_pyserini(bm25, few)
    with TemporaryDirectory() as empty:
        os.environ["IR_EVAL_CACHE"] = empty  # otherwise the run would come from the cache
        start = perf_counter()
        own = bm25.search(collection.topics, HITS)
        middle = perf_counter()
    other = with_pyserini(bm25, collection.topics)
    end = perf_counter()
    ratio = (end - middle) / (middle - start)
    print(f"ir_eval   {middle - start:6.1f} s   1.0 ×\npyserini  {end - middle:6.1f} s   {ratio:.1f} ×")
    same = np.mean([set(own[q][0].tolist()) == set(other[q][0].tolist()) for q in own])
    np.testing.assert_allclose(own.scores, other.scores, atol=2e-3)
    print(f"scores equal; the same {HITS} documents for {same:.1%} of the topics (ties at the cut may differ)")


if __name__ == "__main__":
    main()
