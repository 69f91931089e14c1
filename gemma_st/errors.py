"""The one exception a model or its configuration can cause."""


class ModelError(ValueError):
    """A model, its name or its configuration cannot be used.

    The message is one line: what was seen, what was expected, what to do. The command line prints it without a
    traceback and exits with code 2.
    """
