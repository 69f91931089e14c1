"""Tests of ir_eval.first_stage."""
