"""Tests of the second edition's recipe."""
