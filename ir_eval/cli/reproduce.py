"""``ir-eval reproduce``: published figures, measured again and compared."""

import argparse
import sys

from gemma_st.cli.options import add_data
from ir_eval.errors import InputError
from ir_eval.leaderboard import leaderboard_names, read_leaderboard, reproduce
from ir_eval.report.leaderboard_tables import outcome_table, plan_table
from ir_eval.report.terminal import show


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["reproduce", "beir", "--row", "scifact", "--dry-run"])
        beir: BEIR, BM25 over title and text as one field
        ...
        together: downloads 2.8 MB, about 1 min on one core
        0
    """
    text = "packaged leaderboard, or .toml file (default: list all packaged leaderboards)"
    parser.add_argument("leaderboard", nargs="?", metavar="NAME", help=text)
    text = "run this row; repeatable (default: all rows)"
    parser.add_argument("--row", action="append", default=[], dest="rows", metavar="ROW", help=text)
    add_data(parser)
    text = "print the downloads and index builds of each row, and run nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)
    parser.add_argument("--out", metavar="DIR", help="write the TREC run of each row, and NAME.json, to this folder")
    parser.set_defaults(command=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    name = arguments.leaderboard
    if name is None and (arguments.rows or arguments.out):
        raise InputError(f"no leaderboard; expected one of {', '.join(leaderboard_names())}, or a .toml file; name it")
    if name is None or arguments.dry_run:
        for each in leaderboard_names() if name is None else [name]:
            leaderboard = read_leaderboard(each, arguments.data)
            show(plan_table(f"{leaderboard.name}: {leaderboard.title}", leaderboard.select(arguments.rows)))
        return 0
    leaderboard = read_leaderboard(name, arguments.data)
    outcomes = reproduce(leaderboard, arguments.rows, folder=arguments.out)
    show(outcome_table(f"{leaderboard.name}: {leaderboard.title}", outcomes))
    if arguments.out:
        sys.stdout.write(f"runs and {leaderboard.name}.json in {arguments.out}\n")
    return int(any(outcome.off for outcome in outcomes))
