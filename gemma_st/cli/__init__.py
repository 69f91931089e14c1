"""The command ``gemma-st``: one file per command, each a thin layer over one function of the package."""

import argparse
import sys
from collections.abc import Callable, Sequence

from gemma_st.cli import ablate, doctor, export, glue, merge, train, verify
from gemma_st.errors import ModelError, printable

COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "train": (train.add, "run one training stage, or resume it"),
    "glue": (glue.add, "fine-tune on GLUE and SuperGLUE tasks with several seeds"),
    "ablate": (ablate.add, "train a grid of settings with several seeds, and compare them"),
    "merge": (merge.add, "merge a trained LoRA adapter into its model, so that it loads anywhere"),
    "export": (export.add, "copy a model, with its card, for stock sentence-transformers"),
    "verify": (verify.add, "check a saved model: files, attention, portability, batches, padding, template and card"),
    "doctor": (doctor.add, "check the installation: what is present, what is missing, and how to repair it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0; 1 if a check of ``doctor`` or ``verify`` fails; 2 for bad input; 130 after Ctrl-C. Without ``argv``
    the arguments are those of the process.

    Examples:
        >>> main(["export", "reranker", "exported"])
        model written to ...exported; check it with: gemma-st verify ...exported
        0
    """
    parser = argparse.ArgumentParser(prog="gemma-st", description="Gemma decoders as bidirectional encoders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add, summary) in COMMANDS.items():
        add(commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."))
    arguments = parser.parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    try:
        return command(arguments) or 0
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to go on", 130)
    except (ModelError, OSError) as error:
        return _fail(f"error: {error}", 2)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"gemma-st: {printable(' '.join(message.split()))}\n")
    return code
