"""Tests of ir_eval.experiment."""
