"""``gemma-st``: the command line. Every command is a thin layer over one function of the package."""

import argparse
import sys
from collections.abc import Callable, Sequence

from gemma_st.errors import ModelError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 if ``doctor`` misses something, 2 for bad input, 130 for Ctrl-C.

    Args:
        argv: The arguments; those of the process if not given.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    try:
        return command(arguments) or 0
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to go on", 130)
    except (ModelError, OSError) as error:
        return _fail(f"error: {error}", 2)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"gemma-st: {' '.join(message.split())}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gemma-st", description="Gemma decoders as bidirectional encoders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="run one training stage, or go on with it")
    train.add_argument("config", metavar="STAGE.toml", help="see examples/packaged_model")
    train.set_defaults(command=_train)
    export = commands.add_parser("export", help="write a model out for stock sentence-transformers")
    export.add_argument("name", metavar="NAME", help="a packaged model or a directory")
    export.add_argument("directory", metavar="DIR", help="new or empty")
    export.set_defaults(command=_export)
    doctor = commands.add_parser("doctor", help="say what is present, what is missing, and what mends it")
    doctor.set_defaults(command=_doctor)
    return parser


def _train(arguments: argparse.Namespace) -> None:
    from gemma_st.training.config import read_config
    from gemma_st.training.ranking import train

    config = read_config(arguments.config)
    try:
        sys.stdout.write(f"model written to {train(config)}\n")
    except ModelError as error:
        raise ModelError(f"{arguments.config}: {error}") from error


def _export(arguments: argparse.Namespace) -> None:
    from gemma_st.export import export

    sys.stdout.write(f"model written to {export(arguments.name, arguments.directory)}\n")


def _doctor(arguments: argparse.Namespace) -> int:
    from gemma_st.doctor import checks, write_report

    return write_report(checks(), sys.stdout)
