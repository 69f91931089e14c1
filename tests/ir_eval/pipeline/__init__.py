"""Tests of ir_eval.pipeline."""
