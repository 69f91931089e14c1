"""Tests of gemma_st.training.toml."""

import tomllib

from gemma_st.training.toml import to_toml


def test_toml_reads_back() -> None:
    """Tables in tables, text with quotes, and names that need them."""
    table = {"a": 'x "y" é\n', "list": [{"b": 1, "c d": [0.5, True]}, {}], "t": {"u": {"v": [1]}, "w@x": -1e-9}}
    assert tomllib.loads(to_toml(table)) == table
