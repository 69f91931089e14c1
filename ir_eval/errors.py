"""The exception that a user's input can cause."""


class InputError(ValueError):
    """The user's input cannot be used.

    The message is one line: where (``file:line`` if known), what was seen, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.

    Examples:
        >>> raise InputError("runs.trec:3: 5 columns; expected 6; correct or remove the line")
        Traceback (most recent call last):
        ir_eval.errors.InputError: runs.trec:3: 5 columns; expected 6; correct or remove the line
    """
