"""``ir-eval report``: the page of an experiment."""

import argparse
import sys


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="DIR", help="what ir-eval run --out wrote")
    parser.add_argument("--out", metavar="FILE", help="default: report.html in DIR")
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave topics' and documents' texts out, to publish it",
    )
    parser.set_defaults(command=_report)


def _report(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from ir_eval.experiment import read_results
    from ir_eval.report.html import FILE, write_report

    path = arguments.out or Path(arguments.folder, FILE)
    results = read_results(arguments.folder)
    write_report(results.without_texts() if arguments.without_texts else results, path, arguments.folder)
    sys.stdout.write(f"report in {path}\n")
