"""Tests of ir_eval.report."""
