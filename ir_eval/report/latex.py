"""A comparison as LaTeX tables in the style of booktabs."""

import re

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import Cell, Sheet, notes, sheets

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",
        "[": "{[}",  # after \\ it would open an option
        "]": "{]}",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "→": r"$\rightarrow$",
        "≤": r"$\leq$",
        "–": "--",
    }
)
_SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # only what is too wide
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def to_latex(title: str, comparison: Comparison) -> str:
    """Return the tables of a comparison, a float each, and the notes as small print; needs booktabs and graphicx.

    Args:
        title: Of the collection.
        comparison: What `compare` found.
    """
    tables = [_table(sheet) for sheet in sheets(title, comparison)]
    small = [f"{{\\footnotesize\\sloppy\\noindent {_escape(note)}\\par}}" for note in notes(comparison)]
    return "\n\n".join([r"% \usepackage{booktabs,graphicx}", *tables, "\n".join(small)]) + "\n"


def _table(sheet: Sheet) -> str:
    rows = [f"{' & '.join(map(_cell, row))} \\\\" for row in sheet.rows]
    columns = "".join("l" if left else "r" for left in sheet.left)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{_escape(sheet.title)}}}",
            f"{_SHRINK}{{\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{' & '.join(map(_escape, sheet.headings))} \\\\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _cell(cell: Cell) -> str:
    text = _escape(cell.text)
    mark = f"\\textsuperscript{{{_escape(cell.mark)}}}" if cell.mark else ""
    return (f"\\textbf{{{text}}}" if cell.bold else text) + mark


def _escape(text: str) -> str:
    return _MINUS.sub("$-$", " ".join(text.split()).translate(_SPECIAL))
