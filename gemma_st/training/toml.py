"""A training stage as the TOML that repeats it."""

from collections.abc import Mapping
from typing import Any

from gemma_st.toml import toml_key, toml_lines


def to_toml(table: Mapping[str, Any]) -> str:
    """Return a table of text, numbers, lists and tables as TOML, plain values first."""
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = toml_lines(plain)
    for name, value in table.items():
        if name not in plain:
            lines += ["", f"[{toml_key(name)}]", *toml_lines(value)]
    return "\n".join(lines)
