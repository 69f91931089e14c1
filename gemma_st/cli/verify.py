"""``gemma-st verify``: check a saved model."""

import argparse
import sys


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["reranker"]).name
        'reranker'
    """
    parser.add_argument("name", metavar="MODEL", help="packaged model, or directory of a saved model")
    parser.set_defaults(command=_verify)


def _verify(arguments: argparse.Namespace) -> int:
    from gemma_st.checks import write_report
    from gemma_st.hub.verify import verify
    from gemma_st.names import locate

    return write_report(verify(locate(arguments.name)), sys.stdout)
