"""What a study varies, and how a value of it is checked, written down and named."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.modeling.heads import HEADS

WORDS = {"attention": ("bidirectional", "causal"), "padding_side": ("right", "left"), "head": HEADS}
FACTORS = ("attention", "pooler", "dropout", "padding_side", "head")
WIDTH = 8  # of a pooler that is made to check its options: a multiple of the default number of heads
Value = str | dict[str, Any]  # as JSON has it
Settings = dict[str, Any]  # a value of each factor


def parse(factor: str, value: object) -> Value:
    """Return a factor's value in the one form that values equal to it have: a word, or a table.

    Args:
        factor: One of ``FACTORS``.
        value: A word; for ``pooler`` a name, or a table with it and options; for ``dropout`` a rate, which is that of
            every place, or a table of [gemma_st.modeling.dropout.DropoutRates][].

    Raises:
        ModelError: It is no value of this factor.
    """
    if factor == "pooler":
        return _pooler(value)
    if factor == "dropout":
        return asdict(rates(value))
    if not isinstance(value, str) or value not in WORDS[factor]:
        raise ModelError(f"{factor} = {value!r}; expected {' or '.join(WORDS[factor])}")
    return value


def rates(value: object) -> DropoutRates:
    """Return dropout's rates.

    Args:
        value: A rate, which is that of every place, or a table of them.

    Raises:
        ModelError: It is neither.
    """
    places = [place.name for place in fields(DropoutRates)]
    given = value if isinstance(value, Mapping) else dict.fromkeys(places, value)
    if unknown := set(given) - set(places):
        raise ModelError(
            f"dropout has no place {unknown.pop()!r}; expected a rate, or a table with {', '.join(places)}"
        )
    made = DropoutRates(**given)
    return DropoutRates(**{place: float(rate) for place, rate in vars(made).items()})


def _pooler(value: object) -> Value:
    """Return a pooler's name, or a table where an option is another than the pooler itself would take."""
    from gemma_st.modeling.pooling import pooler

    given: Any = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ModelError(f"pooler = {value!r}; expected a name, or a table like {{ name = 'last', k = 4 }}")
    heads = given.get("heads")
    width = WIDTH * heads if type(heads) is int and heads > 0 else WIDTH
    try:
        made, plain = pooler(width=width, **given), pooler(given["name"], width)
    except TypeError as error:
        raise ModelError(f"pooler = {value!r}; expected options k, probes, heads, include_prompt ({error})") from error
    others = {name: value for name, value in sorted(given.items()) if name != "name"}
    kept = {n: value for n, value in others.items() if getattr(made, n, None) != getattr(plain, n, None)}
    return {"name": given["name"], **kept} if kept else str(given["name"])


def label(value: Value) -> str:
    """Return what people read of a value: ``causal``, ``last k=4``, ``0.1``, ``head=0.1``.

    Args:
        value: As `parse` returns it.
    """
    if isinstance(value, str):
        return value
    if "name" in value:
        return " ".join([value["name"], *(f"{name}={option}" for name, option in value.items() if name != "name")])
    shares = {f"{rate:g}" for rate in value.values()}
    return shares.pop() if len(shares) == 1 else " ".join(f"{place}={rate:g}" for place, rate in value.items() if rate)
