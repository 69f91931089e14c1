"""The one exception a user's input can cause."""


class InputError(ValueError):
    """What the user gave cannot be used.

    The message is one line: where (``file:line`` when there is one), what was seen, what was expected, what to do.
    The command line prints it without a traceback and exits with code 2.
    """
