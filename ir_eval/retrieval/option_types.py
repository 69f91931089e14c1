"""Options of a first stage, checked against the types its class declares: they may come from a file."""

from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from ir_eval.errors import InputError

WORDS: dict[object, str] = {float: "a number", int: "a whole number", str: "a string", NoneType: "none at all"}


def check_types(options: object) -> None:
    """Refuse a dataclass with a value that its field's annotation does not allow.

    Raises:
        InputError: Names the field, what it holds and what it may hold.
    """
    for name, hint in get_type_hints(type(options)).items():
        if name in vars(options) and not _fits(value := getattr(options, name), hint):
            raise InputError(f"{type(options).__name__} with {name} = {value!r}; expected {_spell(hint)}")


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(value, bool):  # to Python an int
        return hint is bool
    if hint is float:
        return isinstance(value, (float, int))
    return isinstance(hint, type) and isinstance(value, hint)


def _spell(hint: object) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_spell, get_args(hint)))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return WORDS.get(hint) or str(hint)
