"""Tests of examples/gemma_270m."""
