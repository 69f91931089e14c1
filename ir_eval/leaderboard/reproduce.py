"""Rows run again, and what they measure held against what was published."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from ir_eval.collections import open_collection
from ir_eval.data.files import atomic_write, check_folder
from ir_eval.errors import InputError
from ir_eval.experiment import run_experiment
from ir_eval.leaderboard.rows import Leaderboard, Row
from ir_eval.progress import announce
from ir_eval.provenance import commit, sources, versions

ROUNDING = Decimal("1e-9")  # of a mean of float64, which may lie on the edge of what is printed


@dataclass(frozen=True)
class Outcome:
    """What came of a row.

    Attributes:
        row: The row.
        measured: Measure to figure; empty if the row was not run.
        missing: Why it was not run: what is not there.
    """

    row: Row
    measured: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""

    @property
    def verdicts(self) -> dict[str, str]:
        """Measure to ``OK``, or to what is measured less what was published: ``off by +0.0012``."""
        return {measure: self._verdict(measure) for measure in self.measured}

    @property
    def off(self) -> bool:
        """Whether a figure is not what was published."""
        return any(verdict != "OK" for verdict in self.verdicts.values())

    def _verdict(self, measure: str) -> str:
        published = self.row.published[measure]
        digits = -int(published.as_tuple().exponent)
        tolerance = Decimal(5).scaleb(-digits - 1) if self.row.tolerance is None else self.row.tolerance
        difference = Decimal(self.measured[measure]) - published
        return "OK" if abs(difference) <= tolerance + ROUNDING else f"off by {difference:+.{max(4, digits)}f}"

    def to_dict(self) -> dict[str, Any]:
        """Return what a JSON file says of it."""
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


def reproduce(leaderboard: Leaderboard, rows: Iterable[str] = (), *, folder: str | Path | None = None) -> list[Outcome]:
    """Run rows, one after the other; what a row downloads is announced before it starts.

    Args:
        leaderboard: Where the rows are from.
        rows: Their names; all of them if there is none.
        folder: Gets ``ROW.trec`` as soon as it is there, and ``LEADERBOARD.json`` at the end; None writes nothing.

    Raises:
        InputError: There is no such row, an option or a file is wrong, or the folder cannot be written. That something
            is not there, or cannot be downloaded, is no error: the outcome says it.
        gemma_st.errors.ModelError: A name can be no model's.
    """
    if folder is not None:
        check_folder(folder)
    outcomes = [_reproduce(row, folder) for row in leaderboard.select(rows)]
    if folder is not None:
        found = {
            "leaderboard": leaderboard.name,
            "rows": [outcome.to_dict() for outcome in outcomes],
            **{"versions": versions(), "commit": commit(), "sources": sources()},
        }
        with atomic_write(Path(folder) / f"{leaderboard.name}.json") as file:
            json.dump(found, file, indent=2, ensure_ascii=False)
            file.write("\n")
    return outcomes


def _reproduce(row: Row, folder: str | Path | None) -> Outcome:
    if row.missing:
        return Outcome(row, missing=row.missing)
    if row.downloads:
        sizes = ", ".join(f"{name} {size:,}" for name, size in row.downloads.items())
        announce(f"{row.name}: {row.plan} ({sizes}; what is there already is not fetched again)")
    systems = row.experiment.systems.values()
    for config in systems:
        config.check()
    try:
        collection = open_collection(row.experiment.collections[0].name)
    except InputError as error:
        return _not_there(row, error)
    for config in systems:
        config.check_for(collection)
    try:
        system = run_experiment(row.experiment).outcomes[0].systems[-1]
    except (InputError, ModelError) as error:
        return _not_there(row, error)
    if folder is not None:
        system.run.write(Path(folder) / f"{row.name}.trec")
    return Outcome(row, system.evaluation.means)


def _not_there(row: Row, error: InputError | ModelError) -> Outcome:
    """Take the error for a failed download, or raise it where there is nothing to download."""
    if not row.downloads:
        raise error
    return Outcome(row, missing=str(error))
