"""The tables of a leaderboard: what each row needs, and how each figure was reproduced."""

from collections.abc import Sequence

from ir_eval.leaderboard import LeaderboardRow, RowOutcome
from ir_eval.report.text_table import Cell, TextTable


def plan_table(title: str, rows: Sequence[LeaderboardRow]) -> TextTable:
    """Return a line for each row: the missing file, or else the downloads, index builds and minutes it needs.

    The note adds them up; a download that several rows need counts once.

    Examples:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> plan_table("BEIR", read_leaderboard("beir").rows).notes
        ('together: downloads 4,723.9 MB, about 101 min on one core',)
    """
    downloads = {name: size for row in rows for name, size in row.downloads.items()}
    fetched = f"downloads {sum(downloads.values()):,} MB, " if downloads else ""
    note = f"together: {fetched}about {sum(row.minutes for row in rows)} min on one core"
    cells = tuple(tuple(map(Cell, (row.name, row.first_stage, row.missing or row.plan))) for row in rows)
    return TextTable(title, ("row", "first stage", "to run it"), cells, ("first stage", "to run it"), (note,))


def outcome_table(title: str, outcomes: Sequence[RowOutcome]) -> TextTable:
    """Return a line for each figure, in bold if it is off.

    The notes say why rows were not run, where the figures were published, and how many rows are OK, off or not run.

    Examples:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> outcome = RowOutcome(read_leaderboard("trec-dl-2019").rows[0], {"ndcg@10": 0.50576})
        >>> [cell.text for cell in outcome_table("TREC-DL 2019", [outcome]).rows[0]]
        ['bm25-default-run', 'ndcg@10', '0.5058', '0.5058', 'OK']
    """
    rows = []
    for outcome in outcomes:
        name = outcome.row.name
        if outcome.missing:
            rows.append(tuple(map(Cell, (name, "", "", "", "not run"))))
        for measure, verdict in outcome.verdicts.items():
            texts = (name, measure, str(outcome.row.published[measure]), f"{outcome.measured[measure]:.4f}", verdict)
            rows.append(tuple(Cell(text, bold=verdict != "OK") for text in texts))
            name = ""
    headings = ("row", "measure", "published", "measured", "verdict")
    return TextTable(title, headings, tuple(rows), ("measure", "verdict"), _notes(outcomes))


def _notes(outcomes: Sequence[RowOutcome]) -> tuple[str, ...]:
    missing: dict[str, list[str]] = {}
    for outcome in outcomes:
        missing.setdefault(outcome.missing, []).append(outcome.row.name)
    run = missing.pop("", [])
    off = sum(outcome.off for outcome in outcomes)
    return (
        *(f"{', '.join(names)}: {reason}" for reason, names in missing.items()),
        *dict.fromkeys(f"published in {outcome.row.source}" for outcome in outcomes if outcome.measured),
        f"{len(run) - off} OK, {off} off, {len(outcomes) - len(run)} not run",
    )
