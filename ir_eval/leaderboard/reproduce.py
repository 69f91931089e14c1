"""Reproduction of a leaderboard: its rows are run, and the measured figures are compared with the published ones."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from ir_eval.collections import open_collection
from ir_eval.data.text_files import atomic_write, check_folder
from ir_eval.errors import InputError
from ir_eval.experiment import run_experiment
from ir_eval.leaderboard.leaderboard_file import Leaderboard, LeaderboardRow
from ir_eval.progress import announce
from ir_eval.provenance import commit, sources, versions

ROUNDING_ERROR = Decimal("1e-9")  # a mean of float64 values may fall just beside the edge of the tolerance


@dataclass(frozen=True)
class RowOutcome:
    """The outcome of running one row.

    Attributes:
        row: Row of the leaderboard.
        measured: Measured figure of each published measure; empty if the row was not run.
        missing: Reason why the row was not run: the missing file or download.

    Examples:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> row = read_leaderboard("trec-dl-2019").rows[0]
        >>> RowOutcome(row, {"ndcg@10": 0.50576, "map-l2": 0.3023}).verdicts
        {'ndcg@10': 'OK', 'map-l2': 'off by +0.0010'}
    """

    row: LeaderboardRow
    measured: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict by measure: ``OK``, or the measured minus the published figure, such as ``off by +0.0012``."""
        return {measure: self._verdict(self.row.published[measure], mean) for measure, mean in self.measured.items()}

    @property
    def off(self) -> bool:
        """Whether a measured figure differs from the published one by more than the tolerance."""
        return any(verdict != "OK" for verdict in self.verdicts.values())

    def _verdict(self, published: Decimal, measured: float) -> str:
        digits = -int(published.as_tuple().exponent)
        tolerance = Decimal(5).scaleb(-digits - 1) if self.row.tolerance is None else self.row.tolerance
        difference = Decimal(measured) - published
        return "OK" if abs(difference) <= tolerance + ROUNDING_ERROR else f"off by {difference:+.{max(4, digits)}f}"

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data for a JSON file."""
        return {
            "row": self.row.name,
            "collection": self.row.experiment.collections[0].name,
            "first_stage": self.row.first_stage,
            "source": self.row.source,
            "published": {measure: str(figure) for measure, figure in self.row.published.items()},
            "measured": self.measured,
            "verdicts": self.verdicts,
            "missing": self.missing,
        }


def reproduce(
    leaderboard: Leaderboard, rows: Iterable[str] = (), *, folder: str | Path | None = None
) -> list[RowOutcome]:
    """Run rows of a leaderboard, one after the other; each announces its downloads before it starts.

    A row whose files are missing, or whose download fails, is not an error: its outcome names what is missing.

    Args:
        leaderboard: Leaderboard, from `read_leaderboard`.
        rows: Names of the rows; if empty, all rows.
        folder: Folder for ``ROW.trec``, written after each row, and ``LEADERBOARD.json``, written at the end; if None,
            nothing is written.

    Raises:
        InputError: There is no such row, an option or a file is wrong, or the folder cannot be written.
        gemma_st.errors.ModelError: There is no such model.

    Examples:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> reproduce(read_leaderboard("trec-dl-2019", data="nowhere"), ["bm25-default-run"])[0].missing
        'nowhere/msmarco/trec-dl19: no such file or folder; check the data folder'
    """
    if folder is not None:
        check_folder(folder)
    outcomes = [_reproduce(row, folder) for row in leaderboard.select(rows)]
    if folder is not None:
        found: dict[str, Any] = {"leaderboard": leaderboard.name, "rows": [outcome.to_dict() for outcome in outcomes]}
        found |= {"versions": versions(), "commit": commit(), "sources": sources()}
        with atomic_write(Path(folder) / f"{leaderboard.name}.json") as file:
            json.dump(found, file, indent=2, ensure_ascii=False)
            file.write("\n")
    return outcomes


def _reproduce(row: LeaderboardRow, folder: str | Path | None) -> RowOutcome:
    if row.missing:
        return RowOutcome(row, missing=row.missing)
    if row.downloads:
        sizes = ", ".join(f"{name} {size:,}" for name, size in row.downloads.items())
        announce(f"{row.name}: {row.plan} ({sizes}; finished downloads are not repeated)")
    systems = row.experiment.systems.values()
    for config in systems:
        config.check()
    failed_download = (InputError, ModelError) if row.downloads else ()  # without downloads every error is raised
    try:
        collection = open_collection(row.experiment.collections[0].name)
    except failed_download as error:
        return RowOutcome(row, missing=str(error))
    for config in systems:
        config.check_for(collection)
    try:
        system = run_experiment(row.experiment).outcomes[0].systems[-1]
    except failed_download as error:
        return RowOutcome(row, missing=str(error))
    if folder is not None:
        system.run.write(Path(folder) / f"{row.name}.trec")
    return RowOutcome(row, system.evaluation.means)
