"""comparison_tables: the tables that every format lays out, and their layout on the terminal."""

import numpy as np
import pytest

from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import Comparison
from ir_eval.evaluation.evaluate import Evaluation
from ir_eval.report.comparison_tables import comparison_notes, comparison_tables
from ir_eval.report.terminal import show
from tests.ir_eval.report.conftest import NAMES


def test_the_summary_has_means_marks_and_the_best(comparison: Comparison) -> None:
    """A mark names the baselines that differ significantly; a baseline is not marked against itself."""
    summary = comparison_tables("dl", comparison)[0]
    assert (summary.title, summary.headings) == ("dl: 40 queries", ("system", "ndcg@10", "map-l2"))
    assert [row[0].text for row in summary.rows] == [f"{NAMES[0]} (a)", f"{NAMES[1]} (b)", *NAMES[2:]]
    assert [row[1].mark for row in summary.rows] == ["↑b", "↓a", "↑ab", "↑b"]
    assert [row[1].bold for row in summary.rows] == [False, False, True, False]
    assert {(row[2].text, row[2].mark, row[2].bold) for row in summary.rows} == {("0.5000", "", True)}
    assert [row[1].text for row in summary.rows] == [f"{comparison.means[name]['ndcg@10']:.4f}" for name in NAMES]


def test_details_of_each_measure_and_baseline(comparison: Comparison) -> None:
    """The baseline, then the figures of each system from the comparison."""
    details = comparison_tables("dl", comparison)[1:]
    pairs = [(measure, baseline) for measure in ("ndcg@10", "map-l2") for baseline in NAMES[:2]]
    assert [table.title for table in details] == [f"dl: {measure} against {baseline}" for measure, baseline in pairs]
    headings = ("system", "ndcg@10", "difference", "%", "95% interval", "p (t)", "p (rand.)", "d", "W/T/L", "holes@10")
    assert details[0].headings == headings
    baseline, low, high, same = ([cell.text for cell in row] for row in details[0].rows)
    assert (baseline[0], set(baseline[2:-1]), baseline[-1]) == (NAMES[0], {""}, "0.0%")
    found = comparison.against("ndcg@10", NAMES[0])[NAMES[2]]
    assert found.interval is not None
    assert found.relative is not None
    assert high[:5] == [
        NAMES[2],
        f"{found.mean:.4f}",
        f"{found.difference:+.4f}",
        f"{found.relative:+.1%}",
        f"[{found.interval[0]:+.4f}, {found.interval[1]:+.4f}]",
    ]
    assert high[5:] == ["<0.0001", "0.0003", f"{found.effect_size:+.2f}", "40/0/0", "30.0%"]
    assert low[8] == "0/0/40"
    assert same[2:9] == ["+0.0000", "+0.0%", "[+0.0000, +0.0000]", "1.0000", "1.0000", "+0.00", "0/40/0"]
    assert [row[2].mark for row in details[0].rows] == ["", "↓a", "↑a", ""]


def test_notes_explain_the_tests_and_warn(comparison: Comparison) -> None:
    """Marks, correction and seed; a warning for each baseline with fewer holes."""
    marks, columns, *warnings = comparison_notes(comparison)
    assert f"(a: {NAMES[0]}, b: {NAMES[1]}) where p ≤ 0.05 by t and randomization" in marks
    assert "corrected over all systems against one baseline on one measure (holm); seed 0" in marks
    assert "95% BCa bootstrap interval" in columns
    assert warnings == [f"warning: {warning}" for warning in comparison.warnings]
    assert len(warnings) == 2


def test_thirty_baselines_are_numbered_and_undefined_values_are_dashes() -> None:
    """There are 26 letters; one query gives no t-test, no interval and no effect size."""
    queries = np.array(["q"], dtype=np.dtypes.StringDType())
    evaluations = {f"s{number}": Evaluation(queries, {"map": np.array([number / 30])}) for number in range(30)}
    summary, first, *_ = comparison_tables("one", compare(evaluations, list(evaluations), correction="none"))
    assert summary.rows[29][0].text == "s29 (30)"
    assert [cell.text for cell in first.rows[1]] == ["s1", "0.0333", "+0.0333", "–", "–", "–", "1.0000", "–", "1/0/0"]
    same = np.random.default_rng(0).uniform(0, 0.1, 20) + np.arange(28)[:, np.newaxis]
    queries = np.array([f"q{number}" for number in range(20)], dtype=np.dtypes.StringDType())
    many = {f"s{number}": Evaluation(queries, {"map": row}) for number, row in enumerate(same)}
    summary, *_ = comparison_tables("many", compare(many, list(many), correction="none"))
    assert summary.rows[2][1].mark.startswith("↑1,2 ↓4,5,6,")


@pytest.mark.parametrize("width", ["20", "200"])
def test_the_terminal_shows_every_figure(
    comparison: Comparison, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """On a narrow terminal, too; markup in a name is printed as it is."""
    monkeypatch.setenv("COLUMNS", width)
    for table in comparison_tables("dl", comparison):
        show(table)
        out = capsys.readouterr().out
        lines = [" ".join(line.split()) for line in out.splitlines()]
        for row in table.rows:
            assert " ".join(f"{cell.text} {cell.mark}" for cell in row).split() in [line.split() for line in lines]


def test_the_best_is_bold_on_the_terminal(
    comparison: Comparison, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the best figure is bold, without its mark."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    show(comparison_tables("dl", comparison)[0])
    lines = [line for line in capsys.readouterr().out.splitlines() if "bge-3" in line]
    assert f"\x1b[1m{comparison.means[NAMES[2]]['ndcg@10']:.4f}\x1b[0m ↑ab" in lines[0]
