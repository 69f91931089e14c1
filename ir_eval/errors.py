"""The exception that a user's input can cause, and checks of arguments that raise it."""

from numbers import Integral

from gemma_st.errors import shorten as shorten, shown as shown

MAX_COUNT = 2**31 - 1  # the largest integer of Java, and more than any ranking has documents
MAX_SEED = 2**64 - 1


class InputError(ValueError):
    """The user's input cannot be used.

    The message is one line: where (``file:line`` if known), what was seen, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.

    Examples:
        >>> raise InputError("runs.trec:3: 5 columns; expected 6; correct or remove the line")
        Traceback (most recent call last):
        ir_eval.errors.InputError: runs.trec:3: 5 columns; expected 6; correct or remove the line
    """


def check_count(name: str, value: object, *, least: int = 1, most: int = MAX_COUNT) -> None:
    """Raise InputError unless a value is a whole number from ``least`` to ``most``; True is none.

    Examples:
        >>> check_count("depth", 0)
        Traceback (most recent call last):
        ir_eval.errors.InputError: depth 0; expected at least 1
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} {shown(value)}; expected a whole number")
    if int(value) < least:
        raise InputError(f"{name} {shown(value)}; expected at least {least}")
    if int(value) > most:
        raise InputError(f"{name} {shown(value)}; expected at most {most:,}")


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Raise InputError unless a value is of one of these kinds.

    Examples:
        >>> check_kind("run", None, dict)
        Traceback (most recent call last):
        ir_eval.errors.InputError: run None; expected dict
    """
    if not isinstance(value, kinds):
        raise InputError(f"{name} {shown(value)}; expected {' or '.join(kind.__name__ for kind in kinds)}")
