"""The option ``--data``, which several commands take."""

import argparse
import os


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR``, by default ``$GEMMA_ST_DATA``.

    Examples:
        >>> add_data(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["--data", "collections"]).data
        'collections'
    """
    default = os.environ.get("GEMMA_ST_DATA") or None
    text = "replace {data} in the TOML file by this folder (default: $GEMMA_ST_DATA)"
    parser.add_argument("--data", metavar="DIR", default=default, help=text)
