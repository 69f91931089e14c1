"""The option ``--data``, which several commands take."""

import argparse
import os


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR``.

    Example:
        >>> add_data(parser := argparse.ArgumentParser())
        >>> data_folder(parser.parse_args(["--data", "collections"]))
        'collections'
    """
    parser.add_argument(
        "--data", metavar="DIR", help="folder that {data} in the file stands for; default: $GEMMA_ST_DATA"
    )


def data_folder(arguments: argparse.Namespace) -> str | None:
    """Return the folder given by ``--data`` or, without it, by the environment variable ``GEMMA_ST_DATA``.

    Example:
        >>> data_folder(argparse.Namespace(data="collections"))
        'collections'
    """
    return arguments.data or os.environ.get("GEMMA_ST_DATA") or None
