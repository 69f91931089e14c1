"""``gemma-st train``: run a training stage."""

import argparse
import os
import sys

from gemma_st.cli.options import add_data


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["stage.toml"]).config
        'stage.toml'
    """
    parser.add_argument("config", metavar="STAGE.toml", help="settings of the stage; see docs/training.md")
    add_data(parser)
    parser.set_defaults(command=_train)


def _train(arguments: argparse.Namespace) -> None:
    from gemma_st.errors import ModelError
    from gemma_st.training.config import read_config
    from gemma_st.training.trainer import train

    config = read_config(arguments.config, arguments.data)
    try:
        directory = train(config)
    except ModelError as error:
        raise ModelError(f"{arguments.config}: {error}") from error
    if os.environ.get("RANK", "0") == "0":  # under accelerate, only the first process reports
        sys.stdout.write(f"model written to {directory}\n")
