"""``ir-eval cache``: what the cache holds, and the removal of what is no longer needed."""

import argparse
import math
from collections.abc import Iterable
from datetime import datetime

from ir_eval.cache import cache_dir
from ir_eval.cache_entries import KINDS, Entry, entries, prune
from ir_eval.errors import InputError
from ir_eval.report.terminal import show
from ir_eval.report.text_table import Cell, TextTable


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Examples:
        >>> from ir_eval.cli import main
        >>> main(["cache", "--prune", "--older-than", "30"])
        nothing to remove from ...
        0
    """
    text = "remove all of it without asking, but nothing that another process uses; it is computed again when needed"
    parser.add_argument("--prune", action="store_true", help=text)
    text = "remove only what was not used for so many days, and leftovers of killed processes"
    parser.add_argument("--older-than", type=float, metavar="DAYS", help=text)
    parser.add_argument("--keep", action="append", choices=KINDS, help="keep this kind of content; repeatable")
    parser.set_defaults(command=_cache)


def _cache(arguments: argparse.Namespace) -> None:
    days, keep, root = arguments.older_than, arguments.keep or [], cache_dir()
    if not arguments.prune:
        if days is not None or keep:
            raise InputError("--older-than or --keep without --prune; expected all of them; add --prune")
        found = entries()
        show(*_table(found), notes=[f"{_sum(found)} in {root}" + ("; remove with --prune" if found else "")])
        return
    if days is not None and not (math.isfinite(days) and days >= 0):
        raise InputError(f"--older-than {days:g}; expected a number of days, at least 0")
    removed, kept = prune(older_than=days or 0, keep=keep)
    notes = [f"kept {entry.path.relative_to(root)}: {reason}" for entry, reason in kept]
    done = f"removed {_sum(removed)} from {root}" if removed else f"nothing to remove from {root}"
    show(*_table(removed), notes=[*notes, done])


def _table(found: list[Entry]) -> Iterable[TextTable]:
    """Yield the table of the entries, the largest first, or nothing."""
    if found:
        ordered = sorted(found, key=lambda entry: -entry.size)
        rows = tuple(
            tuple(map(Cell, (entry.about, _size(entry.size), _date(entry.used), _name(entry)))) for entry in ordered
        )
        yield TextTable("", ("content", "size", "last used", "path"), rows, texts=("last used", "path"))


def _name(entry: Entry) -> str:
    return str(entry.path.relative_to(cache_dir()))


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _sum(found: list[Entry]) -> str:
    return f"{len(found)} {'entry' if len(found) == 1 else 'entries'}, {_size(sum(entry.size for entry in found))}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 50_000 else f"{count / 1e3:,.1f} kB"
