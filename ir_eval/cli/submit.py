"""``ir-eval submit``: the files of a submission to the MS MARCO passage leaderboard."""

import argparse
import sys

OPTIONS = {
    "--id": "yyyymmdd-suffix, with the day it is handed in",
    "--team": "who",
    "--model": "what, in a line",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("dev", metavar="DEV.trec", help="run of the Dev small queries")
    parser.add_argument("eval", metavar="EVAL.trec", help="run of the eval queries")
    for option, text in OPTIONS.items():
        parser.add_argument(option, required=True, help=text)
    parser.add_argument("--paper", default="", metavar="URL")
    parser.add_argument("--code", default="", metavar="URL")
    parser.add_argument("--reranking", action="store_true", help="of the official first 1000; default: full ranking")
    parser.add_argument(
        "--out", default="submissions", metavar="DIR", help="of the leaderboard's repository; default: %(default)s"
    )
    parser.set_defaults(command=_submit)


def _submit(arguments: argparse.Namespace) -> None:
    from ir_eval.data.run import Run
    from ir_eval.leaderboard import Submission, write_submission

    submission = Submission(
        arguments.id,
        arguments.team,
        arguments.model,
        arguments.paper,
        arguments.code,
        "reranking" if arguments.reranking else "full ranking",
    )
    dev, evaluation = (Run.read(path, name=path) for path in (arguments.dev, arguments.eval))
    folder = write_submission(submission, dev, evaluation, arguments.out)
    sys.stdout.write(f"dev.txt.bz2 and eval.txt.bz2 in {folder}, {folder.name}-metadata.json beside it\n")
