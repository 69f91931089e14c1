"""Tests over all families of decoders."""
