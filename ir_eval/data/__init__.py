"""Runs, qrels, and the files that hold them."""
