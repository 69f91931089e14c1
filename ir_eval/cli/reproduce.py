"""``ir-eval reproduce``: published figures, run again and compared."""

import argparse
import sys

from ir_eval.cli.options import add_data, data_folder
from ir_eval.errors import InputError


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "leaderboard", nargs="?", metavar="NAME", help="of a leaderboard, or a .toml file; with none, all are listed"
    )
    parser.add_argument("--row", action="append", dest="rows", metavar="ROW", help="repeatable; default: all")
    add_data(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be downloaded and built; run nothing")
    parser.add_argument("--out", metavar="DIR", help="write the TREC run of every row, and NAME.json, here")
    parser.set_defaults(command=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    from ir_eval.leaderboard import packaged, read_leaderboard, reproduce
    from ir_eval.report.leaderboard_tables import outcome_notes, outcome_table, plan_note, plan_table
    from ir_eval.report.terminal import show

    if arguments.leaderboard is None and (arguments.rows or arguments.out):
        raise InputError(f"no leaderboard; expected one of {', '.join(packaged())}, or a .toml file; name it first")
    data = data_folder(arguments)
    names = packaged() if arguments.leaderboard is None else [arguments.leaderboard]
    leaderboards = [read_leaderboard(name, data) for name in names]
    if arguments.leaderboard is None or arguments.dry_run:
        for leaderboard in leaderboards:
            rows = leaderboard.select(arguments.rows or ())
            show(plan_table(f"{leaderboard.name}: {leaderboard.title}", rows), plan_note(rows))
        return 0
    leaderboard = leaderboards[0]
    outcomes = reproduce(leaderboard, arguments.rows or (), folder=arguments.out)
    show(outcome_table(f"{leaderboard.name}: {leaderboard.title}", outcomes), *outcome_notes(outcomes))
    if arguments.out:
        sys.stdout.write(f"runs and {leaderboard.name}.json in {arguments.out}\n")
    return int(any(outcome.off for outcome in outcomes))
