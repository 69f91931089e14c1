"""The exception of this package, and how its messages show a value."""

MAX_SHOWN = 100  # characters of a wrong value in a message


class ModelError(ValueError):
    """A model, its name or its configuration cannot be used.

    The message is one line: what was seen, what was expected, what to do. The command line prints it without a
    traceback and exits with code 2.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> CrossEncoder("absent")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: model 'absent': no such directory or packaged model; expected ...
    """


def shown(value: object) -> str:
    """Return ``repr(value)`` for a message: of any value, at most `MAX_SHOWN` characters, in one printable line.

    Examples:
        >>> shown(float("nan")), shown(16**5000)
        ('nan', 'a value too large to show (int)')
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, or a list nested too deep
        return f"a value too large to show ({type(value).__name__})"
    return shorten(" ".join(text.split()))


def printable(text: str) -> str:
    r"""Return a text in which control characters, which could drive a terminal, are spelled as escapes.

    Examples:
        >>> printable("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shorten(text: str, length: int = MAX_SHOWN) -> str:
    """Return a text with its middle left out if it is longer than ``length`` characters.

    Examples:
        >>> shorten("a" * 5000, 11)
        'aaaaa…aaaaa'
    """
    part = (length - 1) // 2
    return text if len(text) <= length else f"{text[:part]}…{text[-part:]}"
