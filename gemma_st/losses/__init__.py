"""Losses for the sentence-transformers trainer, one formula a file."""
