"""Name, save, load, describe, export and verify models."""
