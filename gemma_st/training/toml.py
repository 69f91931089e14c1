"""Writing TOML, which Python only reads."""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(table: Mapping[str, Any]) -> str:
    """Return a table of text, numbers, lists and tables as TOML, plain values first."""
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        if name not in plain:
            inner = {key: item for key, item in value.items() if item is not None}
            lines += ["", f"[{_key(name)}]", *(f"{_key(key)} = {_value(item)}" for key, item in inner.items())]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        items = (f"{_key(name)} = {_value(item)}" for name, item in value.items() if item is not None)
        return f"{{ {', '.join(items)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
