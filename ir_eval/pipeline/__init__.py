"""Stages after the first one: fuse runs, rerank a run, mine hard negatives, evaluate a reranker in training."""
