"""Tables and notes on the terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gemma_st.errors import printable
from ir_eval.report.text_table import TextTable

ANY_WIDTH = 10_000


def show(*tables: TextTable, notes: Iterable[str] = ()) -> None:
    """Print tables, each with its own notes, and then further notes; on a narrow terminal no figure is cut.

    Examples:
        >>> from ir_eval.report.text_table import Cell
        >>> show(TextTable("dl19", ("system", "ndcg@10"), ((Cell("bm25"), Cell("0.5058")),)), notes=["43 queries"])
        dl19
        ...
        43 queries
    """
    for table in tables:
        _show(table)
    _write(notes)


def _show(table: TextTable) -> None:
    title = Text(printable(table.title)) if table.title else None
    laid_out = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column, (heading, left) in enumerate(zip(table.headings, table.left, strict=True)):
        wraps = column == 0 or heading in table.texts
        laid_out.add_column(Text(printable(heading)), justify="left" if left else "right", no_wrap=not wraps)
    for row in table.rows:
        laid_out.add_row(
            *(Text.assemble((printable(cell.text), "bold" * cell.bold), f" {cell.mark}".rstrip()) for cell in row)
        )
    console = Console(highlight=False)
    bounds = Measurement.get(console, console.options.update(width=ANY_WIDTH), laid_out)
    console.width = max(console.width, bounds.minimum if console.is_terminal else bounds.maximum)
    console.print(laid_out)
    _write(table.notes)


def _write(notes: Iterable[str]) -> None:
    for note in notes:
        Console(highlight=False).print(printable(note), markup=False, soft_wrap=True)


def file_labels(paths: Sequence[str]) -> dict[str, str]:
    """Return a label for each path: the file's name, or the whole path if two files have that name.

    Examples:
        >>> file_labels(["runs/bm25.trec", "a/mine.trec", "b/mine.trec"])
        {'runs/bm25.trec': 'bm25.trec', 'a/mine.trec': 'a/mine.trec', 'b/mine.trec': 'b/mine.trec'}
    """
    names = Counter(Path(path).name for path in set(paths))
    return {path: name if names[name := Path(path).name] == 1 else path for path in paths}
