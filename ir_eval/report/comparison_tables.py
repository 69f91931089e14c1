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
    """Return the tables of a comparison: the means of all systems, then a table for each measure and baseline.

    Args:
        title: Name of the collection, which begins the titles of the tables.
        comparison: Comparison of the systems.
        uncorrected: Whether to add columns with the p-values before their correction.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", rerankers=("reranker",)))
        >>> [table.title for table in comparison_tables("mine", results.comparisons["collection-test"])][:2]
        ['mine: 2 queries', 'mine: ndcg@10 against bm25']
    """
    details = [
        _details(title, comparison, measure, baseline, uncorrected=uncorrected)
        for measure in next(iter(comparison.means.values()))
        for baseline in comparison.baselines
    ]
    return [_summary(title, comparison), *details]


def comparison_notes(comparison: Comparison) -> list[str]:
    """Explain the marks and columns of `comparison_tables`, and add the comparison's warnings.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec", rerankers=("reranker",)))
        >>> comparison_notes(results.comparisons["collection-test"])[0]
        '↑ above, ↓ below a baseline (a: bm25) where p ≤ 0.05 by t and randomization; p corrected over ...'
    """
    baselines = ", ".join(f"{label}: {baseline}" for baseline, label in _labels(comparison).items())
    return [
        significance_note(comparison, f"a baseline ({baselines})"),
        f"difference: to the baseline's mean, with its {1 - comparison.method.alpha:.0%} BCa bootstrap interval; "
        "d: Cohen's d of paired samples; W/T/L: queries won, tied, lost",
        *(f"warning: {note}" for note in comparison.notes),
        *(f"warning: {system}: {gap}" for system, gap in comparison.gaps.items()),
        *(f"warning: {warning}" for warning in comparison.warnings),
    ]


def significance_note(comparison: Comparison, baseline: str) -> str:
    """Explain the marks, the tests and their correction; ``baseline`` names or describes the baseline.

    Examples:
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

    Examples:
        >>> difference_cell(0.50576, None, best=True)
        Cell(text='0.5058', mark='', bold=True, note='')
    """
    if difference is None:
        return Cell(f"{mean:.4f}", bold=best)
    defined = [p for p in difference.corrected.values() if p is not None]
    note = f"{difference.difference:+.4f}, p {_p(max(defined, default=None))}"
    return Cell(f"{mean:.4f}", _mark({"": difference}), best, note)


def _summary(title: str, comparison: Comparison) -> TextTable:
    labels, measures = _labels(comparison), next(iter(comparison.means.values()))
    best = {measure: max(means[measure] for means in comparison.means.values()) for measure in measures}
    found = {(one.system, one.measure, one.baseline): one for one in comparison.differences}
    rows = []
    for system, means in comparison.means.items():
        row = [Cell(f"{system} ({labels[system]})" if system in labels else system)]
        for measure, mean in means.items():
            against = {label: found.get((system, measure, baseline)) for baseline, label in labels.items()}
            row.append(Cell(f"{mean:.4f}", _mark(against), mean == best[measure]))
        rows.append(tuple(row))
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
