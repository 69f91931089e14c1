"""latex: the shared tables can be read back, names are escaped, and the file compiles if LaTeX is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ir_eval.evaluation.comparison import Comparison
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.latex import to_latex

COMMANDS = {r"\uparrow": "↑", r"\downarrow": "↓", r"\rightarrow": "→", r"\leq": "≤"}
TEXT = {"backslash": "\\", "asciitilde": "~", "asciicircum": "^", "less": "<", "greater": ">", "bar": "|"}
HEAD = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"


def plain(text: str) -> str:
    """Undo bold, raising and escapes."""
    text = re.sub(r"\\textsuperscript\{([^{}]*)\}", r"\1", re.sub(r"\\textbf\{([^{}]*)\}", r"\1", text))
    text = re.sub(r"(?<!\\)\$([^$]+)\$", lambda found: COMMANDS.get(found[1], found[1]), text)
    text = re.sub(r"\\text([a-z]+)\{\}", lambda found: TEXT[found[1]], text)
    return re.sub(r"\{([\[\]])\}", r"\1", re.sub(r"\\([&%$#_{}])", r"\1", text)).replace("--", "–")


def test_every_cell_is_there(comparison: Comparison) -> None:
    """Every table has all cells of the shared table, in the same order."""
    text = to_latex("dl", comparison)
    blocks = re.findall(r"\\begin\{table\}\n(.*?)\\end\{table\}", text, re.DOTALL)
    for table, block in zip(comparison_tables("dl", comparison), blocks, strict=True):
        caption, columns = re.search(r"\\caption\{(.*)\}\n.*\\begin\{tabular\}\{([lr]+)\}\n", block).groups()
        assert (plain(caption), [column == "l" for column in columns]) == (table.title, list(table.left))
        header, body = re.search(r"\\toprule\n(.*)\\midrule\n(.*)\\bottomrule", block, re.DOTALL).groups()
        rows = [
            [plain(cell.strip()) for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]
            for line in (header + body).splitlines()
        ]
        assert rows == [list(table.headings), *([cell.text + cell.mark for cell in row] for row in table.rows)]
    small = re.findall(r"\{\\footnotesize\\sloppy\\noindent (.*)\\par\}", text)
    assert [plain(line) for line in small] == comparison_notes(comparison)


def test_marks_are_raised_and_the_best_is_bold(comparison: Comparison) -> None:
    """Arrows and minus signs are set in math mode, hyphens in names are not."""
    text = to_latex("dl", comparison)
    best = f"{max(means['ndcg@10'] for means in comparison.means.values()):.4f}"
    assert rf"& \textbf{{{best}}}\textsuperscript{{$\uparrow$ab}} &" in text
    assert re.search(r"& \$-\$0\.\d{4}\\textsuperscript\{\$\\downarrow\$a\} & \$-\$\d", text)
    assert "bge-3" in text


def test_names_are_not_commands(comparison: Comparison) -> None:
    """Every special character of LaTeX is escaped."""
    text = to_latex("a\nb", comparison)
    assert r"\caption{a b: 40 queries}" in text
    assert r"bm25\_rm3\textbar{}k1=.9 \& b=.4" in text
    assert r"\textbackslash{}lora\{50\%\} \#1 \$x\textasciicircum{}2\$ \textasciitilde{}v\_2" in text
    assert r"bge-3 \textless{}b\textgreater{}*bold*\textless{}/b\textgreater{} $\rightarrow$ {[}re{]}rank" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_it_compiles(comparison: Comparison, tmp_path: Path) -> None:
    """LaTeX reports no error and no overfull box."""
    (tmp_path / "x.tex").write_text(f"{HEAD}\n{to_latex('dl', comparison)}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "x.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
