"""A leaderboard and its rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from gemma_st.settings import DATA
from ir_eval.errors import InputError
from ir_eval.experiment import Experiment, Retrieve


@dataclass(frozen=True)
class LeaderboardRow:
    """A system, and the figures that were published for it.

    Attributes:
        experiment: Experiment on one collection: the system, after the systems that it is made of.
        published: Published figure of each measure, with all digits.
        source: Address of the publication.
        first_stage: Description of the first stage.
        tolerance: Largest allowed difference, in both directions; None for half a unit of a figure's last digit.
        downloads: Packed size in MB of each index and collection that the row downloads, unless it is there already.
        minutes: Estimated minutes on one core, without downloads; 0 for seconds.
        files: Files and folders that the row reads from the data folder.

    Example:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> row = read_leaderboard("trec-dl-2019").select(["bm25-default"])[0]
        >>> row.name, row.plan
        ('bm25-default', 'downloads 2,171.0 MB, about 1 min')
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
        """The name of the system."""
        return list(self.experiment.systems)[-1]

    @property
    def missing(self) -> str:
        """The first file that is missing, and how to get it; empty if all are there."""
        path = next((path for path in self.files if not path.exists()), None)
        if path is None:
            return ""
        remedy = "give --data DIR or set GEMMA_ST_DATA" if DATA in str(path) else "check the data folder"
        return f"{path}: no such file or folder; {remedy}"

    @property
    def plan(self) -> str:
        """What running the row downloads and builds, and the time it takes; ``ready`` if it downloads nothing."""
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
    """The rows of a leaderboard.

    Attributes:
        name: Name of the file, without ``.toml``.
        title: Title of one line.
        rows: Rows, in the order of the file.

    Example:
        >>> from ir_eval.leaderboard import read_leaderboard
        >>> [row.name for row in read_leaderboard("trec-dl-2019").select(["openai-ada2-run"])]
        ['openai-ada2-run']
    """

    name: str
    title: str
    rows: tuple[LeaderboardRow, ...]

    def select(self, names: Iterable[str]) -> tuple[LeaderboardRow, ...]:
        """Return the rows with these names, or all rows if no name is given.

        Raises:
            InputError: There is no such row; the message lists the names.
        """
        rows, names = {row.name: row for row in self.rows}, list(names)
        for name in names:
            if name not in rows:
                raise InputError(f"{self.name}: no row {name!r}; expected one of {', '.join(rows)}")
        return tuple(rows[name] for name in dict.fromkeys(names)) or self.rows
