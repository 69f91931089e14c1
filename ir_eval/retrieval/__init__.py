"""First stages, from topics to a `Run`: BM25 by Lucene, and dense retrieval by faiss."""

from ir_eval.retrieval.retriever import Retriever as Retriever, TimedRun as TimedRun, open_retriever as open_retriever
