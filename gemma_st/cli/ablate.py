"""``gemma-st ablate``: run a study; the same command resumes it, and several processes share its cells."""

import argparse
import sys

from gemma_st.cli.options import add_data


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Examples:
        >>> add(parser := argparse.ArgumentParser())
        >>> parser.parse_args(["study.toml"]).study
        'study.toml'
    """
    parser.add_argument("study", metavar="STUDY.toml", help="settings, see docs/training.md; run it again to resume")
    add_data(parser)
    parser.set_defaults(command=_ablate)


def _ablate(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from gemma_st.study.config import read_study
    from gemma_st.study.grid import run
    from gemma_st.study.tables import question_table

    study = read_study(arguments.study, arguments.data)
    results = run(study)
    for name, rows in results["questions"].items():
        Console().print(question_table(name, rows))
    if missing := results["missing"]:
        total = len(study.cells)
        sys.stdout.write(f"{missing} of {total} cells are still being run by others, who will report the results\n")
    sys.stdout.write(f"results, tables and pictures written to {study.output}\n")
