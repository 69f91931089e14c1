"""``ir-eval doctor``: what is there and what is not."""

import argparse
import sys


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command, which takes no arguments."""
    parser.set_defaults(command=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from gemma_st.doctor import write_report
    from ir_eval.doctor import checks

    return write_report(checks(), sys.stdout)
