"""A comparison as Markdown, for GitHub and MkDocs."""

import re

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.text_table import Cell, TextTable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$#])")


def to_markdown(title: str, comparison: Comparison) -> str:
    """Return a comparison on the collection ``title``: the tables under headings, the notes as a list.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", rerankers=("reranker",)))
        >>> to_markdown("mine", results.comparisons["collection-test"]).splitlines()[0]
        '## mine: 2 queries'
    """
    summary, *details = comparison_tables(title, comparison)
    tables = [_table(summary, "##"), *(_table(table, "###") for table in details)]
    return "\n\n".join([*tables, "\n".join(f"- {_escape(note)}" for note in comparison_notes(comparison))]) + "\n"


def _table(table: TextTable, level: str) -> str:
    rule = "|".join(" --- " if left else " --: " for left in table.left)
    rows = [" | ".join(map(_escape, table.headings)), *(" | ".join(map(_cell, row)) for row in table.rows)]
    header, *body = (f"| {row} |" for row in rows)
    return "\n".join([f"{level} {_escape(table.title)}", "", header, f"|{rule}|", *body])


def _cell(cell: Cell) -> str:
    text = _escape(cell.text)
    return (f"**{text}**" if cell.bold else text) + (f"<sup>{cell.mark}</sup>" if cell.mark else "")


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
