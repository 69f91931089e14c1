"""The command line ``ir-eval``: each command reads its arguments and calls one function of the package."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from gemma_st.errors import ModelError, printable, shorten
from ir_eval.errors import InputError

COMMANDS = {
    "run": "run an experiment: first stage, rerankers, evaluation, table",
    "evaluate": "evaluate TREC run files with the measures of trec_eval",
    "compare": "test which systems differ significantly, and by how much",
    "fuse": "fuse TREC run files into one, by rank or by weighted score",
    "report": "write the HTML report of an experiment",
    "mine": "mine hard negatives, and write them as training lists",
    "reproduce": "reproduce the published figures of a leaderboard",
    "submit": "write the files of a submission to the MS MARCO passage leaderboard",
    "cache": "list what the cache holds, and remove what is not needed",
    "doctor": "check the installation, and print the command that repairs each fault",
}

OPTIONAL = ("--paper", "--code")  # may be empty
MAX_MESSAGE = 2000  # characters of an error


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command with the given arguments, by default those of the process, and return its exit code.

    The code is 0 for success, 1 if ``doctor`` finds a fault or a figure of ``reproduce`` is off, 2 for wrong input, and
    130 after Ctrl-C.

    Examples:
        >>> main(["evaluate", "qrels.txt", "bm25.trec", "-m", "mrr"])
          system       mrr
        ...
        0
    """
    _quiet_libraries()
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser(argv).parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    try:
        _refuse_empty(argv)
        return command(arguments) or 0
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to resume", 130)
    except (InputError, ModelError) as error:
        return _fail(f"error: {error}", 2)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the modules of commands in the arguments are imported, so that ``--help`` is fast."""
    parser = argparse.ArgumentParser(prog="ir-eval", description="First stages, fusion, reranking and evaluation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in argv:
            import_module(f"ir_eval.cli.{name}").add(command)
    return parser


def _refuse_empty(argv: Sequence[str]) -> None:
    """Refuse an empty argument, which is mostly a shell variable that is not set."""
    for place, argument in enumerate(argv):
        option = argument if argument.startswith("--") else argv[max(0, place - 1)]
        empty = not argument or (argument.startswith("--") and argument.find("=") == len(argument) - 1)
        if empty and option.rstrip("=") not in OPTIONAL:
            raise InputError(f"an empty argument after {option.rstrip('=')}; expected a value; is a variable not set?")


def _quiet_libraries() -> None:
    """Silence libraries by variables that they read when imported: only our bar, tables and errors are printed."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # otherwise each retry of an unreachable hub is logged
    os.environ.setdefault("TQDM_LEAVE", "")  # remove a bar when it is full
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def _fail(message: str, code: int) -> int:
    line = shorten(printable(" ".join(message.split())), MAX_MESSAGE)
    sys.stderr.write(f"ir-eval: {line}\n")
    return code
