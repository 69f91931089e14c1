"""Tests of ir_eval.retrieval."""
