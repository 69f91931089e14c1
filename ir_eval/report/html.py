"""One HTML page of an experiment that needs nothing but itself: no network, no server, for its tables no script.

Every text of a user's goes through Jinja's escaping, and the page forbids its browser (Content-Security-Policy) to load
anything and to run any script but the page's own.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from ir_eval.data.files import atomic_write
from ir_eval.experiment import Results, experiment_toml
from ir_eval.report.plots import RECALL_LEVELS
from ir_eval.report.section import Section

FILE = "report.html"

_PAGE = Path(__file__).with_name("page")


def write_report(results: Results, path: str | Path, folder: str | Path | None = None) -> None:
    """Write the page of an experiment, the same bytes for the same results.

    Args:
        results: What was found.
        path: The file to write.
        folder: Where the experiment was written, for the hashes of its runs; by default where the page goes.

    Raises:
        InputError: The file cannot be written; and as `compare`.
    """
    path = Path(path)
    page = report_page(results, path.parent if folder is None else Path(folder))
    with atomic_write(path) as file:
        file.write(page)


def report_page(results: Results, folder: Path) -> str:
    """Return the page of an experiment.

    Args:
        results: What was found.
        folder: Where the experiment was written, for the hashes of its runs.

    Raises:
        InputError: As `compare`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    pages.filters |= {"figure": _figure, "signed": _signed, "p": _p_value, "milliseconds": _milliseconds}
    style, script = ((_PAGE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    page = pages.get_template("report.html").render(
        results=results,
        sections=[Section.of(results, outcome, folder) for outcome in results.outcomes],
        toml=experiment_toml(results.experiment),
        recall_levels=RECALL_LEVELS,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}",
    )
    return page.encode("utf-8", "replace").decode()  # a text may hold half a surrogate pair, which no file can


def _source(text: str) -> str:
    """Name an inline text by its hash, as a Content-Security-Policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
