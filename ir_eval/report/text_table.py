"""A table of text, which the terminal, Markdown, LaTeX and the HTML report lay out."""

import re
from dataclasses import dataclass

HYPHEN_AS_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")  # a format may replace it by its own minus sign


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: Name or figure.
        mark: Superscript beside the text: ``↑a`` is significantly above baseline a, ``↓b`` significantly below b.
        bold: Whether the text is bold, as the best of its column.
        note: Small print below the text, shown by the HTML report alone.

    Examples:
        >>> Cell("0.5058", mark="↑a", bold=True).mark
        '↑a'
    """

    text: str
    mark: str = ""
    bold: bool = False
    note: str = ""


@dataclass(frozen=True)
class TextTable:
    """A table: rows as long as the headings; the first column holds names.

    Attributes:
        title: Title of one line, or empty.
        headings: Headings of the columns.
        rows: Cells, row by row.
        texts: Headings of further columns that hold text instead of figures.
        notes: Lines below the table.

    Examples:
        >>> TextTable("dl19", ("system", "ndcg@10"), ((Cell("bm25"), Cell("0.5058")),)).left
        (True, False)
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[bool, ...]:
        """Whether each column is aligned left: text, and figures with marks, so that their digits are aligned."""
        return tuple(
            column == 0 or heading in self.texts or any(row[column].mark for row in self.rows)
            for column, heading in enumerate(self.headings)
        )
