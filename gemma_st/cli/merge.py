"""``gemma-st merge``: merge a LoRA adapter into its model."""

import argparse
import sys
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["trained", "merged"]).target
        'merged'
    """
    parser.add_argument("source", metavar="DIR", help="directory of a model trained with [lora]")
    parser.add_argument("target", metavar="OUT", help="new or empty directory for the merged model")
    parser.set_defaults(command=_merge)


def _merge(arguments: argparse.Namespace) -> None:
    from gemma_st.files import writing
    from gemma_st.training.lora import merge

    with writing(Path(arguments.target), "the model"):
        target = merge(arguments.source, arguments.target)
    sys.stdout.write(f"model written to {target}; check it with: gemma-st verify {target}\n")
