"""The HTML report of an experiment: one page that works without network and server, its tables without JavaScript.

Jinja escapes every text of the user, and the page's Content-Security-Policy forbids the browser to load anything and to
run any script but the page's own. The template lays out the values of each `_Section` and computes none.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ir_eval.cache import file_key
from ir_eval.data.text_files import atomic_write
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import CollectionOutcome, Results, SystemOutcome
from ir_eval.progress import progress_bar
from ir_eval.report.changed_queries import changed_queries
from ir_eval.report.comparison_tables import UNDEFINED, comparison_notes, comparison_tables, significance_note
from ir_eval.report.plots import RECALL_LEVELS, precision_at_recall, retrieved_levels, score_distribution
from ir_eval.report.results_tables import results_table
from ir_eval.report.text_table import HYPHEN_AS_MINUS, Cell, TextTable

REPORT_FILENAME = "report.html"

_PAGE = Path(__file__).with_name("page")
_COLOURS = 5  # besides the colour of the baseline; the sixth system has the first colour and another dash pattern
_DASHES = 4


class _System(NamedTuple):
    """The values that the page shows of a system besides the tables."""

    name: str
    label: str  # with the reranked system before it
    style: str  # CSS classes of its lines
    milliseconds: float | None  # for each query
    changed: Mapping[str, Sequence[Any]]  # queries helped and hurt; empty for the baseline
    sha256: str | None  # of the run's file


class _Section(NamedTuple):
    """The values that the page shows of one collection."""

    outcome: CollectionOutcome
    baseline: str
    min_rel: int  # lowest relevance grade that counts as relevant
    systems: tuple[_System, ...]
    table: TextTable  # measures, differences from the baseline, holes and speed
    details: list[TextTable]  # comparison of each measure; empty for a single system
    notes: list[str]  # explanations of the marks in the table, and of the marks and columns in the details
    warnings: list[str]
    plots: dict[str, Any]  # values that the page's script draws


def write_report(results: Results, path: str | Path, folder: str | Path | None = None) -> None:
    """Write the page of an experiment; the same results give the same bytes.

    Args:
        results: Results of the experiment.
        path: File to write.
        folder: Folder of the results, for the hashes of the runs; by default the folder of the page.

    Raises:
        InputError: The file cannot be written, or the systems cannot be compared.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> write_report(run_experiment(single("collection", first_stage="bm25.trec"), "out"), "out/report.html")
        >>> Path("out/report.html").read_text().splitlines()[0]
        '<!doctype html>'
    """
    path = Path(path)
    page = _report_page(results, path.parent if folder is None else Path(folder))
    with atomic_write(path) as file:
        file.write(page)


def _report_page(results: Results, folder: Path) -> str:
    """Return the page as text; the folder of the results holds the runs that are hashed."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    pages.filters["minus"] = lambda text: HYPHEN_AS_MINUS.sub("−", text)
    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    sections = [_section(results, outcome, folder) for outcome in results.outcomes]
    page = pages.get_template("report.html").render(
        results=results,
        sections=sections,
        overview=_overview(sections),
        toml=results.experiment.to_toml(),
        recall_levels=RECALL_LEVELS,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}",
    )
    return page.encode("utf-8", "replace").decode()  # half a surrogate pair in a text cannot be written to a file


def _section(results: Results, outcome: CollectionOutcome, folder: Path) -> _Section:
    min_rel = max(parse_measure(measure).min_rel for measure in outcome.systems[0].evaluation.means)
    comparison, baseline = results.comparisons.get(outcome.folder), results.experiment.baseline
    systems = _systems(results, outcome, folder)
    holes = comparison.holes if comparison else outcome.holes
    more = {
        "holes@10": {name: f"{next(iter(rates.values())):.1%}" for name, rates in holes.items()},
        "ms/query": {system.name: _milliseconds(system.milliseconds) for system in systems},
    }
    return _Section(
        outcome=outcome,
        baseline=baseline,
        min_rel=min_rel,
        systems=systems,
        table=results_table(results, outcome, more),
        details=comparison_tables(outcome.title, comparison, uncorrected=True)[1:] if comparison else [],
        notes=[significance_note(comparison, baseline), *comparison_notes(comparison)[:2]] if comparison else [],
        warnings=[*(comparison.warnings if comparison else []), *outcome.notes],
        plots=_plots(outcome, systems, min_rel),
    )


def _systems(results: Results, outcome: CollectionOutcome, folder: Path) -> tuple[_System, ...]:
    baseline = results.experiment.baseline
    changed = changed_queries(outcome, next(iter(outcome.systems[0].evaluation.means)), baseline)
    others = iter(range(len(outcome.systems)))
    systems = []
    for system in outcome.systems:
        name = system.run.name
        number = -1 if name == baseline else next(others)
        style = f"c{number % _COLOURS + 1} d{number // _COLOURS % _DASHES}" if number >= 0 else "c0 d0"
        rate = system.queries_per_second
        file = folder / outcome.folder / f"{name}.trec"
        sha256 = file_key(file) if file.is_file() else None
        milliseconds = 1000 / rate if rate else None
        systems.append(_System(name, results.label(name), style, milliseconds, changed.get(name, {}), sha256))
    return tuple(systems)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plots(outcome: CollectionOutcome, systems: tuple[_System, ...], min_rel: int) -> dict[str, Any]:
    """Collect the values of the plots, rounded: a page with thousands of queries must load fast."""
    qrels, topics = outcome.qrels, outcome.collection.topics
    evaluations = outcome.evaluations.values()
    with progress_bar() as bar:
        curves = [_curves(outcome, system, min_rel) for system in bar.track(outcome.systems, description="report")]
    return {
        "systems": [system.name for system in systems],
        "styles": [system.style for system in systems],
        "queries": [(query_id, topics.get(query_id, "")) for query_id in qrels],
        "values": {
            measure: [np.round(evaluation.per_query[measure], 4).tolist() for evaluation in evaluations]
            for measure in outcome.systems[0].evaluation.per_query
        },
        "precision": [precision for precision, _ in curves],
        "scores": [scores for _, scores in curves],
        "milliseconds": [system.milliseconds for system in systems],
    }


def _curves(outcome: CollectionOutcome, system: SystemOutcome, min_rel: int) -> tuple[list[float], dict[str, Any]]:
    levels = retrieved_levels(outcome.qrels, system.run)
    precision = np.round(precision_at_recall(outcome.qrels, levels, min_rel), 4).tolist()
    scores = score_distribution(outcome.qrels, system.run, levels, min_rel)
    rounded = scores._replace(low=float(f"{scores.low:.6g}"), high=float(f"{scores.high:.6g}"))
    return precision, rounded._asdict()


def _overview(sections: list[_Section]) -> TextTable:
    """Return the first measure of all systems on every collection."""
    headings = (f"{section.outcome.title} {section.table.headings[1]}" for section in sections)
    columns = [[row[1] for row in section.table.rows] for section in sections]
    names = [Cell(row[0].text) for row in sections[0].table.rows]
    return TextTable("", ("system", *headings), tuple(zip(names, *columns, strict=True)))


def _source(text: str) -> str:
    """Return the hash that names an inline style or script in a Content-Security-Policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
