"""The tables of a comparison; every format lays out these tables and computes no figure itself."""

from collections.abc import Iterable, Mapping
from string import ascii_lowercase

from ir_eval.evaluation.comparison import Comparison, Difference
from ir_eval.evaluation.evaluate import holes_name
from ir_eval.evaluation.measures import parse_measure
from ir_eval.report.text_table import Cell, TextTable

UNDEFINED = "–"
_TEST_NAMES = {"t": "t", "randomization": "rand."}


def comparison_tables(title: str, comparison: Comparison, *, uncorrected: bool = False) -> list[TextTable]:
    """Return the tables: first the means of all systems, then a table for each measure and baseline.

    Args:
        title: Name of the collection.
        comparison: Comparison of the systems.
        uncorrected: Whether to add columns with the p-values before their correction.

    Example:
        >>> from ir_eval import Qrels, Run, compare, evaluate
        >>> runs = {name: Run.read(f"{name}.trec") for name in ("bm25", "reranked")}
        >>> scores = {name: evaluate(Qrels.read("qrels.txt"), run, ["mrr"]) for name, run in runs.items()}
        >>> [table.title for table in comparison_tables("mine", compare(scores, ["bm25"]))]
        ['mine: 2 queries', 'mine: mrr against bm25']
    """
    pairs = [(measure, baseline) for measure in _measures(comparison) for baseline in comparison.baselines]
    details = (_details(title, comparison, *pair, uncorrected=uncorrected) for pair in pairs)
    return [_summary(title, comparison), *details]


def comparison_notes(comparison: Comparison) -> list[str]:
    """Explain the marks and columns of `comparison_tables`, and add the comparison's warnings.

    Example:
        >>> from ir_eval import Qrels, Run, compare, evaluate
        >>> runs = {name: Run.read(f"{name}.trec") for name in ("bm25", "reranked")}
        >>> scores = {name: evaluate(Qrels.read("qrels.txt"), run, ["mrr"]) for name, run in runs.items()}
        >>> comparison_notes(compare(scores, ["bm25"]))[0]
        '↑ above, ↓ below a baseline (a: bm25) where p ≤ 0.05 by t and randomization; p corrected over ...'
    """
    baselines = ", ".join(f"{label}: {baseline}" for baseline, label in _labels(comparison).items())
    return [
        significance_note(comparison, f"a baseline ({baselines})"),
        f"difference: to the baseline's mean, with its {1 - comparison.method.alpha:.0%} BCa bootstrap interval; "
        "d: Cohen's d of paired samples; W/T/L: queries won, tied, lost",
        *(f"warning: {warning}" for warning in comparison.warnings),
    ]


def significance_note(comparison: Comparison, baseline: str) -> str:
    """Explain the marks, the tests and their correction.

    Args:
        comparison: Comparison of the systems.
        baseline: Name or description of the baseline.

    Example:
        >>> from ir_eval.evaluation.comparison import Method
        >>> comparison = Comparison(9, {}, (), Method(("t",), "none", 0, 0.05), (), {})
        >>> significance_note(comparison, "bm25")
        '↑ above, ↓ below bm25 where p ≤ 0.05 by t; p not corrected; seed 0'
    """
    method = comparison.method
    family = {"tukey": "all pairs of systems", "none": ""}.get(method.correction, "all systems against one baseline")
    corrected = f"corrected over {family} on one measure ({method.correction})" if family else "not corrected"
    tests = " and ".join(method.tests)
    return f"↑ above, ↓ below {baseline} where p ≤ {method.alpha:g} by {tests}; p {corrected}; seed {method.seed}"


def difference_cell(mean: float, difference: Difference | None, *, best: bool) -> Cell:
    """Return a mean, marked if it differs significantly from the baseline's, with the difference and p as a note.

    Example:
        >>> difference_cell(0.50576, None, best=True)
        Cell(text='0.5058', mark='', bold=True, note='')
    """
    if difference is None:
        return Cell(f"{mean:.4f}", bold=best)
    defined = [p for p in difference.corrected.values() if p is not None]
    note = f"{difference.difference:+.4f}, p {_p(max(defined, default=None))}"
    return Cell(f"{mean:.4f}", _mark({"": difference}), best, note)


def _measures(comparison: Comparison) -> list[str]:
    return list(next(iter(comparison.means.values())))


def _summary(title: str, comparison: Comparison) -> TextTable:
    labels, measures = _labels(comparison), _measures(comparison)
    best = {measure: max(means[measure] for means in comparison.means.values()) for measure in measures}
    found = {(row.system, row.measure, row.baseline): row for row in comparison.differences}
    rows = []
    for system, means in comparison.means.items():
        name = f"{system} ({labels[system]})" if system in labels else system
        marks = {
            measure: _mark({label: found.get((system, measure, baseline)) for baseline, label in labels.items()})
            for measure in measures
        }
        cells = (Cell(f"{mean:.4f}", marks[measure], mean == best[measure]) for measure, mean in means.items())
        rows.append((Cell(name), *cells))
    return TextTable(f"{title}: {comparison.queries} queries", ("system", *measures), tuple(rows))


def _details(title: str, comparison: Comparison, measure: str, baseline: str, *, uncorrected: bool) -> TextTable:
    method, label = comparison.method, _labels(comparison)[baseline]
    tests = [_TEST_NAMES[test] for test in method.tests]
    headings: tuple[str, ...] = ("system", measure, "difference", "%", f"{1 - method.alpha:.0%} interval")
    headings += (*(f"p ({test})" for test in tests), *(f"uncorrected ({test})" for test in tests if uncorrected))
    headings += ("d", "W/T/L")
    holes = holes_name(parse_measure(measure))
    rates = {system: found[holes] for system, found in comparison.holes.items() if holes in found}

    def row(system: str, figures: Iterable[Cell]) -> tuple[Cell, ...]:
        last = [Cell(f"{rates[system]:.1%}")] if rates else []
        return Cell(system), Cell(f"{comparison.means[system][measure]:.4f}"), *figures, *last

    rows = [row(baseline, [Cell("")] * (len(headings) - 2))]
    for system, difference in comparison.against(measure, baseline).items():
        rows.append(row(system, _figures(difference, _mark({label: difference}), uncorrected=uncorrected)))
    headings += (holes,) if rates else ()
    return TextTable(f"{title}: {measure} against {baseline}", headings, tuple(rows))


def _figures(row: Difference, mark: str, *, uncorrected: bool) -> list[Cell]:
    interval = UNDEFINED if row.interval is None else f"[{row.interval[0]:+.4f}, {row.interval[1]:+.4f}]"
    p_values = [*row.corrected.values(), *(row.p.values() if uncorrected else ())]
    return [
        Cell(f"{row.difference:+.4f}", mark),
        Cell(UNDEFINED if row.relative is None else f"{row.relative:+.1%}"),
        Cell(interval),
        *(Cell(_p(p)) for p in p_values),
        Cell(UNDEFINED if row.effect_size is None else f"{row.effect_size:+.2f}"),
        Cell(f"{row.wins}/{row.ties}/{row.losses}"),
    ]


def _p(p: float | None) -> str:
    if p is None:
        return UNDEFINED
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _mark(against: Mapping[str, Difference | None]) -> str:
    """Return an arrow with the labels of the baselines that a mean is significantly above, and one for those below."""
    marked = {label: row.difference > 0 for label, row in against.items() if row is not None and row.significant}
    above, below = ([label for label, is_above in marked.items() if is_above is side] for side in (True, False))
    join = "," if any(label.isdigit() for label in marked) else ""
    return " ".join(f"{arrow}{join.join(labels)}" for arrow, labels in (("↑", above), ("↓", below)) if labels)


def _labels(comparison: Comparison) -> dict[str, str]:
    """Return a letter for each baseline, or a number if there are more than 26."""
    count = len(comparison.baselines)
    names = ascii_lowercase if count <= len(ascii_lowercase) else [str(number) for number in range(1, count + 1)]
    return dict(zip(comparison.baselines, names, strict=False))
