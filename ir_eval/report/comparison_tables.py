"""A comparison as tables of text, which every format lays out and none changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

from ir_eval.evaluation.comparison import Comparison, Difference
from ir_eval.evaluation.holes import holes_name
from ir_eval.evaluation.measures import parse_measure

if TYPE_CHECKING:
    from rich.table import Table

UNDEFINED = "–"
_HEADINGS = {"t": "p (t)", "randomization": "p (rand.)"}


@dataclass(frozen=True)
class Cell:
    """What stands in one place.

    Attributes:
        text: A name or a figure.
        mark: Raised beside it: ``↑a`` is significantly above baseline a, ``↓b`` below b.
        bold: The best of its column.
    """

    text: str
    mark: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Sheet:
    """One table: rows as long as the headings, the first column of names."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def left(self) -> tuple[bool, ...]:
        """Which columns start on the left: names, and figures with marks, so that the figures stay in line."""
        return tuple(column == 0 or any(row[column].mark for row in self.rows) for column in range(len(self.headings)))


def sheets(title: str, comparison: Comparison) -> list[Sheet]:
    """Lay out a comparison: all systems and measures first, then each measure against each baseline.

    Args:
        title: Of the collection.
        comparison: What `compare` found.
    """
    measures = list(next(iter(comparison.means.values())))
    pairs = [(measure, baseline) for measure in measures for baseline in comparison.baselines]
    return [_summary(title, comparison, measures), *(_details(title, comparison, *pair) for pair in pairs)]


def notes(comparison: Comparison) -> list[str]:
    """Say what the marks and columns mean, and warn."""
    method = comparison.method
    baselines = ", ".join(f"{label}: {baseline}" for baseline, label in _labels(comparison).items())
    return [
        test_note(comparison, f"a baseline ({baselines})"),
        f"difference: to the baseline's mean, with its {1 - method.alpha:.0%} BCa bootstrap interval; "
        "d: Cohen's d of paired samples; W/T/L: queries won, tied, lost",
        *(f"warning: {warning}" for warning in comparison.warnings),
    ]


def test_note(comparison: Comparison, baseline: str) -> str:
    """Say what the marks mean, and by which tests.

    Args:
        comparison: What `compare` found.
        baseline: What the marks are against, in words.
    """
    method = comparison.method
    family = {"tukey": "all pairs of systems", "none": ""}.get(method.correction, "all systems against one baseline")
    corrected = f"corrected over {family} on one measure ({method.correction})" if family else "not corrected"
    tests = " and ".join(method.tests)
    return f"↑ above, ↓ below {baseline} where p ≤ {method.alpha:g} by {tests}; p {corrected}; seed {method.seed}"


def comparison_tables(title: str, comparison: Comparison) -> list["Table"]:
    """Lay out a comparison for the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    tables = []
    for sheet in sheets(title, comparison):
        table = Table(title=Text(sheet.title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        for column, (heading, left) in enumerate(zip(sheet.headings, sheet.left, strict=True)):
            table.add_column(Text(heading), justify="left" if left else "right", no_wrap=column > 0)
        for row in sheet.rows:
            table.add_row(*(Text.assemble((cell.text, "bold" * cell.bold), f" {cell.mark}".rstrip()) for cell in row))
        tables.append(table)
    return tables


def _summary(title: str, comparison: Comparison, measures: Sequence[str]) -> Sheet:
    labels = _labels(comparison)
    best = {measure: max(means[measure] for means in comparison.means.values()) for measure in measures}
    found = {(row.system, row.measure, row.baseline): row for row in comparison.differences}
    rows = []
    for system, means in comparison.means.items():
        name = f"{system} ({labels[system]})" if system in labels else system
        cells = [
            Cell(
                f"{means[measure]:.4f}",
                _mark({label: found.get((system, measure, baseline)) for baseline, label in labels.items()}),
                means[measure] == best[measure],
            )
            for measure in measures
        ]
        rows.append((Cell(name), *cells))
    return Sheet(f"{title}: {comparison.queries} queries", ("system", *measures), tuple(rows))


def _details(title: str, comparison: Comparison, measure: str, baseline: str) -> Sheet:
    method, label = comparison.method, _labels(comparison)[baseline]
    holes = holes_name(parse_measure(measure))
    more = (holes,) if comparison.holes else ()
    headings = ("system", measure, "difference", "%", f"{1 - method.alpha:.0%} interval")
    headings += (*(_HEADINGS[test] for test in method.tests), "d", "W/T/L", *more)

    def row(system: str, figures: Sequence[Cell]) -> tuple[Cell, ...]:
        known = [Cell(f"{comparison.holes[system][holes]:.1%}") for holes in more]
        return Cell(system), Cell(f"{comparison.means[system][measure]:.4f}"), *figures, *known

    rows = [row(baseline, [Cell("")] * (len(headings) - 2 - len(more)))]
    for system, difference in comparison.against(measure, baseline).items():
        rows.append(row(system, _figures(difference, _mark({label: difference}))))
    return Sheet(f"{title}: {measure} against {baseline}", headings, tuple(rows))


def _figures(row: Difference, mark: str) -> list[Cell]:
    interval = UNDEFINED if row.interval is None else f"[{row.interval[0]:+.4f}, {row.interval[1]:+.4f}]"
    return [
        Cell(f"{row.difference:+.4f}", mark),
        Cell(UNDEFINED if row.relative is None else f"{row.relative:+.1%}"),
        Cell(interval),
        *(Cell(_p(p)) for p in row.corrected.values()),
        Cell(UNDEFINED if row.effect_size is None else f"{row.effect_size:+.2f}"),
        Cell(f"{row.wins}/{row.ties}/{row.losses}"),
    ]


def _p(p: float | None) -> str:
    if p is None:
        return UNDEFINED
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _mark(against: Mapping[str, Difference | None]) -> str:
    marked = {label: row.difference > 0 for label, row in against.items() if row is not None and row.significant}
    above, below = ([label for label, is_above in marked.items() if is_above is side] for side in (True, False))
    join = "" if all(label.isalpha() for label in marked) else ","
    return " ".join(f"{arrow}{join.join(labels)}" for arrow, labels in (("↑", above), ("↓", below)) if labels)


def _labels(comparison: Comparison) -> dict[str, str]:
    """Give each baseline a letter, or a number where letters do not reach."""
    count = len(comparison.baselines)
    names = ascii_lowercase if count <= len(ascii_lowercase) else [str(number) for number in range(1, count + 1)]
    return dict(zip(comparison.baselines, names, strict=False))
