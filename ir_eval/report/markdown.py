"""A comparison as Markdown, with the tables of GitHub and MkDocs."""

import re

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import Cell, Sheet, notes, sheets

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$#])")


def to_markdown(title: str, comparison: Comparison) -> str:
    """Return the tables of a comparison, a heading each, and the notes as a list.

    Args:
        title: Of the collection.
        comparison: What `compare` found.
    """
    summary, *details = sheets(title, comparison)
    tables = [_table(summary, "##"), *(_table(sheet, "###") for sheet in details)]
    return "\n\n".join([*tables, "\n".join(f"- {_escape(note)}" for note in notes(comparison))]) + "\n"


def _table(sheet: Sheet, level: str) -> str:
    rule = "|".join(" --- " if left else " --: " for left in sheet.left)
    rows = [" | ".join(map(_escape, sheet.headings)), *(" | ".join(map(_cell, row)) for row in sheet.rows)]
    header, *body = (f"| {row} |" for row in rows)
    return "\n".join([f"{level} {_escape(sheet.title)}", "", header, f"|{rule}|", *body])


def _cell(cell: Cell) -> str:
    text = _escape(cell.text)
    return (f"**{text}**" if cell.bold else text) + (f"<sup>{cell.mark}</sup>" if cell.mark else "")


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
