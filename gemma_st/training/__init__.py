"""Training: a TOML file describes one stage, and `train` runs it with the sentence-transformers trainer."""
