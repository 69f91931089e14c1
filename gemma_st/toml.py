"""Writing TOML, which Python only reads."""

import json
import re
from collections.abc import Mapping
from typing import Any


def toml_lines(table: Mapping[str, Any]) -> list[str]:
    """Return ``name = value`` for each value of a table that says something; tables in it are written inline."""
    return [f"{toml_key(name)} = {_value(value)}" for name, value in table.items() if value not in (None, ())]


def toml_key(name: str) -> str:
    """Spell a name, quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: object) -> str:
    """Spell a value; texts, numbers and truth are spelled as in JSON."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(toml_lines(value))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
