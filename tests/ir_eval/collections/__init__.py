"""Tests of ir_eval.collections."""
