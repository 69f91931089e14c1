"""The TOML file of a leaderboard: systems as in an experiment's file, each with its published figures."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, Strict

from gemma_st.settings import DATA, settings
from ir_eval.errors import InputError
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import parse_experiment
from ir_eval.leaderboard.rows import Leaderboard, LeaderboardRow

PACKAGED_FOLDER = Path(__file__).parent
SHARED_KEYS = ("collection", "source", "first_stage")  # given once at the top of the file, or by each system
ROW_KEYS = ("published", "tolerance", "minutes", *SHARED_KEYS)


class _Fraction(float):
    """A number of the file with its digits: 0.750 was published to three digits."""

    digits: str

    def __new__(cls, digits: str) -> Self:
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


def _decimal(value: object) -> Decimal:
    if not isinstance(value, _Fraction):
        raise ValueError(f"{value!r}; expected a number with a decimal point, such as 0.5058")
    return Decimal(value.digits)


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
    minutes: Annotated[int, Strict()] = 0


def leaderboard_names() -> list[str]:
    """Return the names of the packaged leaderboards.

    Example:
        >>> leaderboard_names()[:2]
        ['beir', 'msmarco-v1-passage']
    """
    return sorted(path.stem for path in PACKAGED_FOLDER.glob("*.toml"))


def read_leaderboard(name: str | Path, data: str | Path | None = None) -> Leaderboard:
    """Read a leaderboard.

    The file begins with ``title`` and ``[downloads]``, the size in MB of each index and collection. Each
    ``[systems.NAME]`` has the keys of an experiment's file ([ir_eval.experiment.read_experiment][]) and ``published``,
    ``minutes`` and ``tolerance``; a system without ``published`` is only an input of others. ``collection``, ``source``
    and ``first_stage`` stand at the top of the file or in each system.

    Args:
        name: Name of a packaged leaderboard, or path of a ``.toml`` file.
        data: Folder that ``{data}`` stands for in collections and paths.

    Raises:
        InputError: There is no such leaderboard, or a key or value of the file is wrong; the message names both.

    Example:
        >>> row = read_leaderboard("trec-dl-2019").rows[0]
        >>> row.name, row.published["ndcg@10"]
        ('bm25-default-run', Decimal('0.5058'))
    """
    path = Path(name) if Path(name).suffix == ".toml" else PACKAGED_FOLDER / f"{name}.toml"
    if path.parent == PACKAGED_FOLDER and not path.is_file():
        raise InputError(f"{name}: no such leaderboard; expected {', '.join(leaderboard_names())}, or a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_Fraction)
        return _parse(path.stem, table, data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a readable TOML file ({error}); expected a leaderboard") from error


def _parse(name: str, table: Mapping[str, Any], data: str | Path | None) -> Leaderboard:
    file = _File(**table)
    systems = {
        key: {option: value for option, value in system.items() if option not in ROW_KEYS}
        for key, system in file.systems.items()
    }
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


def _row(file: _File, key: str, systems: Mapping[str, Any], data: str | Path | None) -> LeaderboardRow:
    shared = {name: getattr(file, name) for name in SHARED_KEYS if getattr(file, name)}
    own = shared | {name: value for name, value in file.systems[key].items() if name in ROW_KEYS}
    try:
        row = _Row(**own)
    except InputError as error:
        raise InputError(f"[systems.{key}] {error}") from error
    experiment = {"collections": [row.collection], "measures": list(row.published), "systems": systems}
    texts = set(_texts(experiment))
    folder = DATA if data is None else str(data)
    filled = json.loads(json.dumps(experiment).replace(DATA, json.dumps(folder)[1:-1]))
    return LeaderboardRow(
        experiment=parse_experiment(filled),
        published={str(parse_measure(measure)): figure for measure, figure in row.published.items()},
        source=row.source,
        first_stage=row.first_stage,
        tolerance=row.tolerance,
        downloads={name: size for name, size in file.downloads.items() if name in texts},
        minutes=row.minutes,
        files=tuple(Path(text.replace(DATA, folder)) for text in sorted(texts) if DATA in text),
    )


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a table, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)
