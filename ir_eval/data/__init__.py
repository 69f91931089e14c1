"""Runs, qrels and the files they are read from."""
