"""A study: one TOML file → every combination of its factors, trained over several seeds, and compared in pairs."""
