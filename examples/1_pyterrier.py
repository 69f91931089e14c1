"""A Gemma cross-encoder as a PyTerrier transformer: ``bm25 % 100 >> pt.text.get_text(index, "text") >> reranker``.

To try it without an index, ``python examples/1_pyterrier.py [MODEL]``.
"""

import sys

import pandas as pd

from gemma_st import CrossEncoder

try:
    from pyterrier import Transformer
except ImportError:  # without PyTerrier the class still works on a DataFrame
    Transformer = object


class GemmaReranker(Transformer):
    """Reranks results with the columns qid, query, docno and text."""

    def __init__(self, model: str) -> None:
        """Load a directory, packaged model or hub id."""
        self.model = CrossEncoder(model)

    def transform(self, results: pd.DataFrame) -> pd.DataFrame:
        """Set score and rank, the best first in each query, as PyTerrier has them: ranks begin at 0."""
        pairs = list(zip(results["query"], results["text"], strict=True))
        scores = self.model.predict(pairs) if pairs else []
        ranked = results.assign(score=scores).sort_values(["qid", "score"], ascending=[True, False], kind="stable")
        return ranked.assign(rank=ranked.groupby("qid").cumcount())


if __name__ == "__main__":
    texts = ["A decoder with its mask taken off is an encoder.", "Paris is the capital of France."]
    reranker = GemmaReranker(*(sys.argv[1:] or ["gemma-encoder-msmarco"]))
    rows = pd.DataFrame({"qid": "1", "query": "capital of France", "docno": ["d1", "d2"], "text": texts})
    print(reranker.transform(rows)[["qid", "docno", "rank", "score"]].to_string(index=False))
