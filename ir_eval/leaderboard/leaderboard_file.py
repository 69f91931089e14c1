"""A leaderboard and its TOML file: systems as in an experiment's file, each with its published figures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

from gemma_st.errors import shorten
from gemma_st.files import is_file, is_folder
from gemma_st.settings import DATA, read_toml, settings
from ir_eval.errors import InputError
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import Experiment, Retrieve, parse_experiment

PACKAGED_FOLDER = Path(__file__).parent
SHARED_KEYS = ("collection", "source", "first_stage")  # given once at the top of the file, or by each system
ROW_KEYS = ("published", "tolerance", "minutes", *SHARED_KEYS)
_MAX_DIGITS = 20


class _Number(Decimal):
    """A number of the file with its digits, shown as in the file: 0.750 was published to three digits."""

    __repr__ = Decimal.__str__


def _decimal(value: object) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{value!r}; expected a number with a decimal point, such as 0.5058")
    if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS or len(value.as_tuple().digits) > _MAX_DIGITS:
        raise ValueError(f"{value!s:.40}; expected a finite number of at most {_MAX_DIGITS} digits")
    return Decimal(value)


Figure = Annotated[Decimal, BeforeValidator(_decimal)]


@settings(error=InputError)
class _File:
    """The keys at the top of a file."""

    systems: dict[str, dict[str, Any]]
    downloads: dict[str, Figure] = Field(default_factory=dict)
    title: str = ""
    collection: str = ""
    source: str = ""
    first_stage: str = ""


@settings(error=InputError)
class _Row:
    """The keys of a system that an experiment's file does not have."""

    published: dict[str, Figure]
    collection: str
    source: str
    first_stage: str
    tolerance: Figure | None = None
    minutes: Annotated[int, Strict(), Field(ge=0, le=10**9)] = 0


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

    Examples:
        >>> row = read_leaderboard("trec-dl-2019").select(["bm25-default"])[0]
        >>> row.name, row.plan
        ('bm25-default', 'downloads 2,171.0 MB, about 1 min')
    """

    experiment: Experiment
    published: Mapping[str, Decimal]
    source: str
    first_stage: str
    tolerance: Decimal | None
    downloads: Mapping[str, Decimal]
    minutes: int
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The name of the system."""
        return list(self.experiment.systems)[-1]

    @property
    def missing(self) -> str:
        """The first file that is missing, and how to get it; empty if all are there."""
        path = next((path for path in self.files if not (is_file(path) or is_folder(path))), None)
        if path is None:
            return ""
        remedy = "give --data DIR or set GEMMA_ST_DATA" if DATA in str(path) else "check the data folder"
        return f"{path}: no such file or folder; {remedy}"

    @property
    def plan(self) -> str:
        """What running the row downloads and builds, and the time it takes; ``ready`` if it downloads nothing."""
        systems = self.experiment.systems.values()
        builds = any(isinstance(system, Retrieve) and "index" not in system.options for system in systems)
        downloads = f"downloads {sum(self.downloads.values()):,} MB" if self.downloads else "ready"
        minutes = f"about {self.minutes} min" if self.minutes else "seconds"
        return f"{downloads}, {'builds an index, ' if builds else ''}{minutes}"


@dataclass(frozen=True)
class Leaderboard:
    """The rows of a leaderboard.

    Attributes:
        name: Name of the file, without ``.toml``.
        title: Title of one line.
        rows: Rows, in the order of the file.

    Examples:
        >>> [row.name for row in read_leaderboard("trec-dl-2019").select(["openai-ada2-run"])]
        ['openai-ada2-run']
    """

    name: str
    title: str
    rows: tuple[LeaderboardRow, ...]

    def select(self, names: Iterable[str]) -> tuple[LeaderboardRow, ...]:
        """Return the rows with these names, or all rows if no name is given; an unknown name is an `InputError`."""
        rows, names = {row.name: row for row in self.rows}, list(names)
        for name in names:
            if name not in rows:
                raise InputError(f"{self.name}: no row {name!r}; expected one of {', '.join(rows)}")
        return tuple(rows[name] for name in dict.fromkeys(names)) or self.rows


def leaderboard_names() -> list[str]:
    """Return the names of the packaged leaderboards.

    Examples:
        >>> leaderboard_names()[:2]
        ['beir', 'msmarco-v1-passage']
    """
    return sorted(path.stem for path in PACKAGED_FOLDER.glob("*.toml"))


def read_leaderboard(name: str | Path, data: str | Path | None = None) -> Leaderboard:
    """Read a leaderboard: a packaged one by its name, or a ``.toml`` file by its path.

    The file begins with ``title`` and ``[downloads]``, the size in MB of each index and collection. Each
    ``[systems.NAME]`` has the keys of an experiment's file ([ir_eval.experiment.read_experiment][]) and ``published``,
    ``minutes`` and ``tolerance``; a system without ``published`` is only an input of others. ``collection``, ``source``
    and ``first_stage`` stand at the top of the file or in each system. ``{data}`` stands for the folder ``data``.

    Raises:
        InputError: There is no such leaderboard, or a key or value of the file is wrong; the message names both.

    Examples:
        >>> row = read_leaderboard("trec-dl-2019").rows[0]
        >>> row.name, row.published["ndcg@10"]
        ('bm25-default-run', Decimal('0.5058'))
    """
    if not isinstance(name, str | Path):
        raise InputError(f"leaderboard {name!r}; expected one of {', '.join(leaderboard_names())}, or a .toml file")
    path = Path(name) if Path(name).suffix == ".toml" else PACKAGED_FOLDER / f"{name}.toml"
    if path.parent == PACKAGED_FOLDER and not is_file(path):
        raise InputError(
            f"{shorten(str(name))}: no such leaderboard; expected {', '.join(leaderboard_names())}, or a .toml file"
        )
    table, figures = (read_toml(path, DATA, error=InputError, parse_float=kind) for kind in (float, _Number))
    try:
        file = _File(**figures)
        systems = {key: _experiment_keys(key, system) for key, system in table["systems"].items()}
        return _parse(path.stem, file, systems, DATA if data is None else str(data))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _parse(name: str, file: _File, systems: Mapping[str, Any], data: str) -> Leaderboard:
    experiment = parse_experiment({"collections": [DATA], "systems": systems})
    rows, used = [], set[str]()
    for key in [key for key, system in file.systems.items() if "published" in system]:
        needed = {part: systems[part] for part in experiment.with_inputs(key)}
        rows.append(_row(file, key, needed, data))
        used.update(needed)
    for key in systems:
        if key not in used:
            raise InputError(f"[systems.{key}] has no published figures and is no input of a row; add published")
    return Leaderboard(name, file.title or name, tuple(rows))


def _experiment_keys(name: str, system: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that an experiment's file has, too; a key that is almost one of `ROW_KEYS` is misspelt."""
    found = {key: value for key, value in system.items() if key not in ROW_KEYS}
    for key in found:
        if closest := get_close_matches(key, ROW_KEYS, n=1, cutoff=0.8):
            raise InputError(f"[systems.{name}] unknown {key}; did you mean {closest[0]}?")
    return found


def _row(file: _File, key: str, systems: Mapping[str, Any], data: str) -> LeaderboardRow:
    shared = {name: getattr(file, name) for name in SHARED_KEYS if getattr(file, name)}
    try:
        row = _Row(**shared | {name: value for name, value in file.systems[key].items() if name in ROW_KEYS})
    except InputError as error:
        raise InputError(f"[systems.{key}] {error}") from error
    experiment = {"collections": [row.collection], "measures": list(row.published), "systems": systems}
    texts = set(_texts(experiment))
    filled = json.loads(json.dumps(experiment).replace(DATA, json.dumps(data)[1:-1]))
    return LeaderboardRow(
        experiment=parse_experiment(filled),
        published={str(parse_measure(measure)): figure for measure, figure in row.published.items()},
        source=row.source,
        first_stage=row.first_stage,
        tolerance=row.tolerance,
        downloads={name: size for name, size in file.downloads.items() if name in texts},
        minutes=row.minutes,
        files=tuple(Path(text.replace(DATA, data)) for text in sorted(texts) if DATA in text),
    )


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a table, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)
