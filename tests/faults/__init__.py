"""Broken inputs of every kind, made from sound ones."""
