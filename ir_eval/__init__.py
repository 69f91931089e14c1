"""ir_eval: first stages, reranking and evaluation with trec_eval's meaning."""
