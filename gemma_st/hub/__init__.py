"""Save, load, describe, export and verify models."""
