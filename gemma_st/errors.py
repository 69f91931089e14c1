"""The exception of this package."""


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
