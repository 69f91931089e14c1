"""Ablation studies: a TOML file of settings → all combinations, trained over several seeds → paired comparisons."""
