"""The factors that a study varies: how their values are checked, stored and displayed."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.glue.config import GlueConfig
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.settings import from_table

FACTORS = ("attention", "pooler", "dropout", "padding_side", "head")
PROBE_WIDTH = 8  # width, per attention head, of the poolers that are made to check their options
Value = str | dict[str, Any]  # as in JSON
Settings = dict[str, Any]  # factor -> value


def parse(factor: str, value: object) -> Value:
    """Return a value of one of ``FACTORS`` in canonical form, so that equal settings compare equal.

    A pooler is a name, or a table of name and options; dropout is a rate, or a table of rates; the others are strings.

    Raises:
        ModelError: The factor has no such value.

    Examples:
        >>> parse("pooler", {"name": "last", "k": 1}), parse("pooler", {"name": "last", "k": 4})
        ('last', {'name': 'last', 'k': 4})
    """
    if factor == "pooler":
        return _pooler(value)
    parsed = getattr(from_table(GlueConfig, {"base": "", factor: value}), factor)
    return asdict(parsed) if isinstance(parsed, DropoutRates) else str(parsed)


def _pooler(value: object) -> Value:
    """Return the name of a pooler, or a table of the name and of the options that differ from their defaults."""
    from gemma_st.modeling.pooling import pooler

    given: Any = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ModelError(f"pooler = {value!r}; expected a name, or a table like {{ name = 'last', k = 4 }}")
    heads = given.get("heads")
    width = PROBE_WIDTH * heads if type(heads) is int and heads > 0 else PROBE_WIDTH
    try:
        made, default = pooler(width=width, **given), pooler(given["name"], width)
    except TypeError as error:
        raise ModelError(f"pooler = {value!r}; expected options k, probes, heads, include_prompt ({error})") from error
    options = {name: option for name, option in sorted(given.items()) if name != "name"}
    kept = {
        name: option for name, option in options.items() if getattr(made, name, None) != getattr(default, name, None)
    }
    return {"name": given["name"], **kept} if kept else str(given["name"])


def label(value: Value) -> str:
    """Return a canonical value, as `parse` returns it, in the form that tables and pictures display.

    Examples:
        >>> label("causal"), label({"name": "last", "k": 4}), label(parse("dropout", 0.1))
        ('causal', 'last k=4', '0.1')
    """
    if isinstance(value, str):
        return value
    if "name" in value:
        return " ".join([value["name"], *(f"{name}={option}" for name, option in value.items() if name != "name")])
    rates = {f"{rate:g}" for rate in value.values()}
    return rates.pop() if len(rates) == 1 else " ".join(f"{place}={rate:g}" for place, rate in value.items() if rate)
