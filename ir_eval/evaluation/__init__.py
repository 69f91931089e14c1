"""Measures, evaluation, significance tests and comparisons."""
