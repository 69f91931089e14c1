"""Tests of ir_eval."""
