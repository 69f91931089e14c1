"""``gemma-st ablate``: its arguments, and what it prints."""

import argparse
import os
import sys


def add_ablate(ablate: argparse.ArgumentParser) -> None:
    """Give a parser the command's arguments.

    Args:
        ablate: The command's own parser.
    """
    ablate.add_argument("study", metavar="STUDY.toml", help="see docs/training.md; run it again to go on")
    ablate.add_argument("--data", metavar="DIR", help="what {data} stands for in it; default: $GEMMA_ST_DATA")
    ablate.set_defaults(command=_ablate)


def _ablate(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from gemma_st.study.config import read_study
    from gemma_st.study.grid import run
    from gemma_st.study.tables import question_table

    study = read_study(arguments.study, arguments.data or os.environ.get("GEMMA_ST_DATA") or None)
    results = run(study)
    for name, rows in results["questions"].items():
        Console().print(question_table(name, rows))
    if missing := results["missing"]:
        sys.stdout.write(f"{missing} of {len(study.cells)} cells are still being run by others, who will report them\n")
    sys.stdout.write(f"results, tables and pictures written to {study.output}\n")
