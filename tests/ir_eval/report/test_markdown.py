"""markdown: the shared tables can be read back, and names are escaped."""

import re
from html import unescape

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.markdown import to_markdown


def plain(text: str) -> str:
    """Undo bold, raising and escapes."""
    text = re.sub(r"(?<!\\)(\*\*|</?sup>)", "", text)
    return re.sub(r"\\(.)", r"\1", text)


def test_every_cell_is_there(comparison: Comparison) -> None:
    """Every table has all cells of the shared table, in the same order."""
    blocks = to_markdown("dl", comparison).split("\n\n")
    for number, table in enumerate(comparison_tables("dl", comparison)):
        heading, block = blocks[2 * number : 2 * number + 2]
        assert plain(heading) == f"{'###' if number else '##'} {table.title}"
        cells = [[plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        assert tuple(cells[0]) == table.headings
        assert [cell == "---" for cell in cells[1]] == list(table.left)
        assert cells[2:] == [[cell.text + cell.mark for cell in row] for row in table.rows]
    assert [plain(line) for line in blocks[-1].splitlines()] == [f"- {note}" for note in comparison_notes(comparison)]


def test_marks_are_raised_and_the_best_is_bold(comparison: Comparison) -> None:
    """In the syntax of GitHub and MkDocs."""
    best = f"{max(means['ndcg@10'] for means in comparison.means.values()):.4f}"
    assert f" | **{best}**<sup>↑ab</sup> | " in to_markdown("dl", comparison)


def test_names_are_not_markup(comparison: Comparison) -> None:
    """A name makes no further cell, tag, emphasis or formula."""
    text = to_markdown("a\nb | c", comparison)
    assert text.startswith("## a b \\| c: 40 queries\n")
    assert r"bm25\_rm3\|k1=.9 & b=.4" in text
    assert r"\\lora\{50%\} \#1 \$x^2\$ \~v\_2" in text
    assert r"bge-3 \<b\>\*bold\*\</b\> → \[re\]rank" in text
    assert unescape(text) == text
