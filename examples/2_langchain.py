"""Use a Gemma cross-encoder in LangChain as a document compressor, for example in ``ContextualCompressionRetriever``.

Run ``python examples/2_langchain.py [MODEL]`` to rerank two texts without a retriever.
"""

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from gemma_st import CrossEncoder

try:
    from langchain_core.documents import BaseDocumentCompressor, Document
except ImportError:  # without LangChain, the class also works on objects with page_content and metadata
    from pydantic import BaseModel as BaseDocumentCompressor

    Document = SimpleNamespace


class GemmaReranker(BaseDocumentCompressor):
    """Keeps the ``top_n`` documents with the highest scores of ``model``, a ``CrossEncoder``."""

    model: Any
    top_n: int = 3

    def compress_documents(self, documents: Sequence[Any], query: str, callbacks: object = None) -> list[Any]:
        """Return copies of the best documents, the best first, with the score added to their metadata."""
        scores = self.model.predict([(query, document.page_content) for document in documents]) if documents else []
        ranked = sorted(zip(scores, documents, strict=True), key=lambda pair: -pair[0])[: self.top_n]
        return [type(d)(page_content=d.page_content, metadata={**d.metadata, "score": float(s)}) for s, d in ranked]


if __name__ == "__main__":
    texts = ["Gold is a metal.", "Paris is the capital of France."]
    reranker = GemmaReranker(model=CrossEncoder(*(sys.argv[1:] or ["gemma-encoder-msmarco"])))
    documents = [Document(page_content=text, metadata={}) for text in texts]
    for found in reranker.compress_documents(documents, "capital of France"):
        print(f"{found.metadata['score']:7.3f}  {found.page_content}")
