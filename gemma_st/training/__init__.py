"""Training: one TOML file → data, losses and sentence-transformers' own trainer."""
