"""``gemma-st``: the command line. Every command is a thin layer over one function of the package."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gemma_st.cli import doctor
from gemma_st.cli.ablate import add_ablate
from gemma_st.cli.glue import add_glue
from gemma_st.errors import ModelError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    It is 0, or 1 if ``doctor`` or ``verify`` misses something, 2 for bad input, 130 for Ctrl-C.

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
    train.add_argument("config", metavar="STAGE.toml", help="see docs/training.md")
    train.add_argument("--data", metavar="DIR", help="what {data} stands for in it; default: $GEMMA_ST_DATA")
    train.set_defaults(command=_train)
    add_glue(commands.add_parser("glue", help="fine-tune on GLUE and SuperGLUE tasks, over several seeds"))
    add_ablate(commands.add_parser("ablate", help="train a grid of settings over several seeds, and compare them"))
    merge = commands.add_parser("merge", help="fold a trained adapter into its model, which then loads anywhere")
    merge.add_argument("source", metavar="DIR", help="a model trained with [lora]")
    merge.add_argument("target", metavar="OUT", help="new or empty")
    merge.set_defaults(command=_merge)
    _add_export(commands.add_parser("export", help="write a model out, with its card, for sentence-transformers"))
    verify = commands.add_parser("verify", help="prove a saved model anew: mask, invariances, template, card, …")
    verify.add_argument("name", metavar="MODEL", help="a saved model's directory, or a packaged model")
    verify.set_defaults(command=_verify)
    doctor.add(commands.add_parser("doctor", help="check the installation, and print what is missing"))
    return parser


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("name", metavar="NAME", help="a packaged model or a directory")
    export.add_argument("directory", metavar="DIR", help="new or empty")
    card = export.add_argument_group("for the card, which is otherwise kept where there is one")
    card.add_argument("--base-model", metavar="ID", default="", help="the checkpoint it was made from")
    card.add_argument("--license", metavar="ID", default="", help="as the hub spells it, like gemma or apache-2.0")
    card.add_argument("--data", metavar="NAME", action="append", default=[], help="a data set it was trained on")
    card.add_argument(
        "--results", metavar="FILE", action="append", default=[], help="results.json that ir-eval run --out wrote"
    )
    export.set_defaults(command=_export)


def _train(arguments: argparse.Namespace) -> None:
    from gemma_st.training.config import read_config
    from gemma_st.training.trainer import train

    config = read_config(arguments.config, arguments.data or os.environ.get("GEMMA_ST_DATA") or None)
    try:
        directory = train(config)
    except ModelError as error:
        raise ModelError(f"{arguments.config}: {error}") from error
    if os.environ.get("RANK", "0") == "0":  # of several processes, the first
        sys.stdout.write(f"model written to {directory}\n")


def _merge(arguments: argparse.Namespace) -> None:
    from gemma_st.hub.adapters import merge

    target = merge(arguments.source, arguments.target)
    sys.stdout.write(f"model written to {target}; prove it with: gemma-st verify {target}\n")


def _export(arguments: argparse.Namespace) -> None:
    from gemma_st.hub.card import Facts
    from gemma_st.hub.export import export

    facts = Facts(
        base_model=arguments.base_model,
        license=arguments.license,
        training_data=tuple(arguments.data),
        results=tuple(map(Path, arguments.results)),
    )
    target = export(arguments.name, arguments.directory, facts if facts != Facts() else None)
    sys.stdout.write(f"model written to {target}; prove it with: gemma-st verify {target}\n")


def _verify(arguments: argparse.Namespace) -> int:
    from gemma_st.checks import write_report
    from gemma_st.hub.verify import verify
    from gemma_st.names import locate

    return write_report(verify(locate(arguments.name)), sys.stdout)
