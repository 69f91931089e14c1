"""First stages, from topics to a `Run`: BM25 by Lucene, and dense retrieval by faiss."""

from ir_eval.retrieval.retriever import Retriever, TimedRun, open_retriever

__all__ = ["Retriever", "TimedRun", "open_retriever"]
