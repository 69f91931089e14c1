"""``ir-eval``: the command line. Every command is a thin layer over one function of the package."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from gemma_st.errors import ModelError
from ir_eval.cli import compare, doctor, evaluate, fuse, mine, report, reproduce, run, submit
from ir_eval.errors import InputError

COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "run": (run.add, "topics → first stage → rerankers → evaluation → table"),
    "evaluate": (evaluate.add, "measure TREC runs with trec_eval's meaning"),
    "compare": (compare.add, "say which systems differ, by how much, and whether that is chance"),
    "fuse": (fuse.add, "fuse TREC runs into one, by rank or by weighted scores"),
    "report": (report.add, "write one HTML page of what run found"),
    "mine": (mine.add, "write hard negatives as training lists"),
    "reproduce": (reproduce.add, "run published figures again, and say OK or off by how much"),
    "submit": (submit.add, "write the files of a submission to the MS MARCO passage leaderboard"),
    "doctor": (doctor.add, "say what is present, what is missing, and what mends it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0; 1 if ``doctor`` misses something or a figure of ``reproduce`` is off; 2 for bad input; 130 for Ctrl-C.

    Args:
        argv: The arguments; those of the process if not given.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    _quiet_libraries()
    try:
        return command(arguments) or 0
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on with what is done already", 130)
    except (InputError, ModelError) as error:
        return _fail(f"error: {error}", 2)


def _quiet_libraries() -> None:
    """Leave the terminal to our own bar, table and one-line errors; libraries read these when they are imported."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # else each retry of a hub that cannot be reached is logged
    os.environ.setdefault("TQDM_LEAVE", "")  # a bar goes when it is full
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"ir-eval: {' '.join(message.split())}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ir-eval", description="First stages, reranking and evaluation.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add, summary) in COMMANDS.items():
        add(commands.add_parser(name, help=summary))
    return parser
