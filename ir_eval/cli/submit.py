"""``ir-eval submit``: the files of a submission to the MS MARCO passage leaderboard."""

import argparse
import sys

from ir_eval.data.run import Run
from ir_eval.data.text_files import check_files, check_folder
from ir_eval.leaderboard import Submission, write_submission


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> Run.from_dict({"2": {"4339068": 1.0}}).write("run.trec")
        >>> from ir_eval.cli import main
        >>> main(["submit", "run.trec", "run.trec", "--id", "20260131-ours", "--team", "us", "--model", "BM25"])
        dev.txt.bz2 and eval.txt.bz2 in submissions/20260131-ours, 20260131-ours-metadata.json beside it
        0
    """
    parser.add_argument("dev", metavar="DEV.trec", help="run of the Dev small queries")
    parser.add_argument("eval", metavar="EVAL.trec", help="run of the eval queries")
    parser.add_argument("--id", required=True, help="yyyymmdd-suffix, with the day of the submission")
    parser.add_argument("--team", required=True, help="name of the team")
    parser.add_argument("--model", required=True, help="description of the system in one line")
    parser.add_argument("--paper", default="", metavar="URL", help="address of the paper (default: none)")
    parser.add_argument("--code", default="", metavar="URL", help="address of the code (default: none)")
    text = "submit as a reranking of the official top 1000 (default: as a full ranking)"
    parser.add_argument("--reranking", action="store_true", help=text)
    text = "submissions folder in a checkout of the leaderboard's repository (default: %(default)s)"
    parser.add_argument("--out", default="submissions", metavar="DIR", help=text)
    parser.set_defaults(command=_submit)


def _submit(arguments: argparse.Namespace) -> None:
    submission = Submission(
        id=arguments.id,
        team=arguments.team,
        model_description=arguments.model,
        paper=arguments.paper,
        code=arguments.code,
        type="reranking" if arguments.reranking else "full ranking",
    )
    check_files(arguments.dev, arguments.eval)
    check_folder(arguments.out)
    dev, evaluation = (Run.read(path, name=path) for path in (arguments.dev, arguments.eval))
    folder = write_submission(submission, dev, evaluation, arguments.out)
    sys.stdout.write(f"dev.txt.bz2 and eval.txt.bz2 in {folder}, {folder.name}-metadata.json beside it\n")
