"""A comparison as LaTeX tables with booktabs."""

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.text_table import HYPHEN_AS_MINUS, Cell, TextTable

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
        "[": "{[}",  # a bracket after \\ would begin an optional argument
        "]": "{]}",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "→": r"$\rightarrow$",
        "≤": r"$\leq$",
        "–": "--",
    }
)
_SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # shrink only a table that is too wide


def to_latex(title: str, comparison: Comparison) -> str:
    r"""Return a comparison on the collection ``title``: the tables as floats, the notes in small print.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", rerankers=("reranker",)))
        >>> to_latex("mine", results.comparisons["collection-test"]).splitlines()[0]
        '% \\usepackage{booktabs,graphicx}'
    """
    tables = [_table(table) for table in comparison_tables(title, comparison)]
    small = [f"{{\\footnotesize\\sloppy\\noindent {_escape(note)}\\par}}" for note in comparison_notes(comparison)]
    return "\n\n".join([r"% \usepackage{booktabs,graphicx}", *tables, "\n".join(small)]) + "\n"


def _table(table: TextTable) -> str:
    rows = [f"{' & '.join(map(_cell, row))} \\\\" for row in table.rows]
    columns = "".join("l" if left else "r" for left in table.left)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{_escape(table.title)}}}",
            f"{_SHRINK}{{\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{' & '.join(map(_escape, table.headings))} \\\\",
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
    return HYPHEN_AS_MINUS.sub("$-$", " ".join(text.split()).translate(_SPECIAL))
