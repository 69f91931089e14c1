"""The HTML report of an experiment: one page that works without network and server, its tables without JavaScript.

Jinja escapes every text of the user, and the page's Content-Security-Policy forbids the browser to load anything and to
run any script but the page's own.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from ir_eval.data.text_files import atomic_write
from ir_eval.experiment import Results
from ir_eval.report.plots import RECALL_LEVELS
from ir_eval.report.section import Section
from ir_eval.report.text_table import HYPHEN_AS_MINUS, Cell, TextTable

REPORT_FILENAME = "report.html"

_PAGE = Path(__file__).with_name("page")


def write_report(results: Results, path: str | Path, folder: str | Path | None = None) -> None:
    """Write the page of an experiment; the same results give the same bytes.

    Args:
        results: Results of the experiment.
        path: File to write.
        folder: Folder of the results, for the hashes of the runs; by default the folder of the page.

    Raises:
        InputError: The file cannot be written, or the systems cannot be compared.

    Example:
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
    sections = [Section.of(results, outcome, folder) for outcome in results.outcomes]
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


def _overview(sections: list[Section]) -> TextTable:
    """Return the first measure of all systems on every collection."""
    headings = (f"{section.outcome.title} {section.table.headings[1]}" for section in sections)
    columns = [[row[1] for row in section.table.rows] for section in sections]
    names = [Cell(row[0].text) for row in sections[0].table.rows]
    return TextTable("", ("system", *headings), tuple(zip(names, *columns, strict=True)))


def _source(text: str) -> str:
    """Return the hash that names an inline style or script in a Content-Security-Policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
