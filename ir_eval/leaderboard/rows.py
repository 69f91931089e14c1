"""What a leaderboard holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ir_eval.errors import InputError
from ir_eval.experiment import Experiment, Retrieve
from ir_eval.experiment.experiment_file import DATA


@dataclass(frozen=True)
class Row:
    """A system, and the figures that were published for it.

    Attributes:
        experiment: One collection; the system, and before it those that it is made of.
        published: Measure to figure, with the digits that were printed.
        source: Where they were published.
        first_stage: What found the documents, in words.
        tolerance: How far off a figure may be, on either side; None for half a unit of its last digit.
        downloads: Index or collection to its size in MB, packed; what is there already is not fetched again.
        minutes: On one core, estimated, without downloads; 0 for seconds.
        files: What has to be in the data folder.
    """

    experiment: Experiment
    published: Mapping[str, Decimal]
    source: str
    first_stage: str
    tolerance: Decimal | None = None
    downloads: Mapping[str, Decimal] = field(default_factory=dict)
    minutes: int = 0
    files: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Of the system."""
        return list(self.experiment.systems)[-1]

    @property
    def missing(self) -> str:
        """Which file is not there, and what to do; empty if all are."""
        path = next((path for path in self.files if not path.exists()), None)
        if path is None:
            return ""
        remedy = "give --data DIR or set GEMMA_ST_DATA" if DATA in str(path) else "check the data folder"
        return f"{path}: no such file or folder; {remedy}"

    @property
    def plan(self) -> str:
        """What is fetched and built, and how long it takes; ``ready`` where nothing is fetched."""
        systems = self.experiment.systems.values()
        builds = any(isinstance(system, Retrieve) and "index" not in system.options for system in systems)
        parts = [
            f"downloads {sum(self.downloads.values()):,} MB" if self.downloads else "ready",
            "builds an index" if builds else "",
            f"about {self.minutes} min" if self.minutes else "seconds",
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Leaderboard:
    """What a file holds.

    Attributes:
        name: Of the file, without ``.toml``.
        title: One line.
        rows: In the file's order.
    """

    name: str
    title: str
    rows: tuple[Row, ...]

    def select(self, names: Iterable[str]) -> tuple[Row, ...]:
        """Return the rows of these names, or all if there is none.

        Raises:
            InputError: There is no such row; lists those there are.
        """
        rows, names = {row.name: row for row in self.rows}, list(names)
        for name in names:
            if name not in rows:
                raise InputError(f"{self.name}: no row {name!r}; expected one of {', '.join(rows)}")
        return tuple(rows[name] for name in dict.fromkeys(names)) or self.rows
