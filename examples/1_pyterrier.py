"""Use a Gemma cross-encoder in PyTerrier: ``bm25 % 100 >> pt.text.get_text(index, "text") >> GemmaReranker(model)``.

Run ``python examples/1_pyterrier.py [MODEL]`` to rerank two texts without an index.
"""

import sys

import pandas as pd

from gemma_st import CrossEncoder

try:
    from pyterrier import Transformer
except ImportError:  # the class also works on a DataFrame without PyTerrier
    Transformer = object


class GemmaReranker(Transformer):
    """Reranks a DataFrame with the columns qid, query, docno and text."""

    def __init__(self, model: str) -> None:
        """Load a directory, a packaged model or a hub id."""
        self.model = CrossEncoder(model)

    def transform(self, results: pd.DataFrame) -> pd.DataFrame:
        """Set the columns score and rank; the best document of a query has rank 0, as PyTerrier expects."""
        pairs = list(zip(results["query"], results["text"], strict=True))
        scores = self.model.predict(pairs) if pairs else []
        ranked = results.assign(score=scores).sort_values(["qid", "score"], ascending=[True, False], kind="stable")
        return ranked.assign(rank=ranked.groupby("qid").cumcount())


if __name__ == "__main__":
    texts = ["Gold is a metal.", "Paris is the capital of France."]
    reranker = GemmaReranker(*(sys.argv[1:] or ["gemma-encoder-msmarco"]))
    rows = pd.DataFrame({"qid": "1", "query": "capital of France", "docno": ["d1", "d2"], "text": texts})
    print(reranker.transform(rows)[["qid", "docno", "rank", "score"]].to_string(index=False))
