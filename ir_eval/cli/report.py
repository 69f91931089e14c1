"""``ir-eval report``: the HTML report of an experiment."""

import argparse
import sys
from pathlib import Path

from ir_eval.data.text_files import check_files, check_output
from ir_eval.experiment import read_results
from ir_eval.experiment.results_file import RESULTS_FILENAME
from ir_eval.report.html import REPORT_FILENAME, write_report


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec"), "out")
        >>> from ir_eval.cli import main
        >>> main(["report", "out", "--without-texts"])
        report in out/report.html
        0
    """
    parser.add_argument("folder", metavar="DIR", help="folder that ir-eval run --out wrote")
    parser.add_argument("--out", metavar="FILE", help="write the page here (default: report.html in DIR)")
    text = "leave out the texts of topics and documents, for a page that may be published under any licence"
    parser.add_argument("--without-texts", action="store_true", help=text)
    parser.set_defaults(command=_report)


def _report(arguments: argparse.Namespace) -> None:
    path = arguments.out or Path(arguments.folder, REPORT_FILENAME)
    check_files(Path(arguments.folder, RESULTS_FILENAME))
    check_output(path)
    results = read_results(arguments.folder)
    write_report(results.without_texts() if arguments.without_texts else results, path, arguments.folder)
    sys.stdout.write(f"report in {path}\n")
