"""A leaderboard's file: systems as in an experiment's file, each with the figures that were published for it."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ir_eval.errors import InputError
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment.experiment_file import DATA, check_fields, parse_experiment
from ir_eval.experiment.systems import SystemConfig
from ir_eval.leaderboard.rows import Leaderboard, Row

HERE = Path(__file__).parent
SHARED = {"collection": str, "source": str, "first_stage": str}  # said once above, or by the system
FIELDS = {"title": str, "downloads": dict, "systems": dict, **SHARED}
ROW_FIELDS = {"published": dict, "tolerance": Decimal, "minutes": int, **SHARED}


def packaged() -> list[str]:
    """Return the names of the leaderboards that come with the package."""
    return sorted(path.stem for path in HERE.glob("*.toml"))


def read_leaderboard(name: str | Path, data: str | Path | None = None) -> Leaderboard:
    """Read a leaderboard.

    Above, a file has ``title`` and ``[downloads]``, the size in MB of indexes and collections by their names. Each
    ``[systems.NAME]`` is that of an experiment's file ([ir_eval.experiment.read_experiment][]) with ``published``,
    ``minutes`` and ``tolerance`` beside it; without ``published`` it only serves others. ``collection``, ``source`` and
    ``first_stage`` are said above or by the system.

    Args:
        name: One of `packaged`, or the path of a ``.toml`` file.
        data: What ``{data}`` stands for in collections and paths.

    Raises:
        InputError: There is no such leaderboard, or the file says something that is not understood; names the field.
    """
    path = Path(name) if Path(name).suffix == ".toml" else HERE / f"{name}.toml"
    if path.parent == HERE and not path.is_file():
        raise InputError(f"{name}: no such leaderboard; expected {', '.join(packaged())}, or a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a readable TOML file ({error}); expected a leaderboard") from error
    try:
        return _parse(path.stem, table, data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _parse(name: str, table: Mapping[str, Any], data: str | Path | None) -> Leaderboard:
    check_fields("", table, FIELDS)
    downloads, tables = table.get("downloads", {}), table.get("systems", {})
    check_fields("[downloads] ", downloads, dict.fromkeys(downloads, Decimal))
    systems = {key: _system(system) for key, system in tables.items()}
    configs = parse_experiment({"collections": [DATA], "systems": systems}).systems  # all of them are understood
    shared = {field: table[field] for field in SHARED if field in table}
    rows, used = [], set[str]()
    for key in [key for key, system in tables.items() if "published" in system]:
        own = {field: value for field, value in {**shared, **tables[key]}.items() if field in ROW_FIELDS}
        needed = {part: systems[part] for part in _with_inputs(key, configs)}
        rows.append(_row(f"[systems.{key}] ", own, needed, downloads, data))
        used.update(needed)
    for key in systems:
        if key not in used:
            raise InputError(f"[systems.{key}] has no published figures, and serves no system that has; add published")
    return Leaderboard(name, table.get("title", name), tuple(rows))


def _system(table: object) -> object:
    """Return what an experiment's file would say of a system."""
    if not isinstance(table, dict):
        return table
    return {field: value for field, value in table.items() if field not in ROW_FIELDS}


def _with_inputs(name: str, configs: Mapping[str, SystemConfig]) -> dict[str, None]:
    """Return a system behind those that it is made of."""
    inputs = [part for one in configs[name].inputs for part in _with_inputs(one, configs)]
    return dict.fromkeys([*inputs, name])


def _row(
    where: str,
    own: Mapping[str, Any],
    systems: Mapping[str, Any],
    downloads: Mapping[str, Decimal],
    data: str | Path | None,
) -> Row:
    check_fields(where, own, ROW_FIELDS)
    for key in SHARED:
        if not own.get(key):
            raise InputError(f"{where}no {key}; expected it here or at the top of the file; add it")
    for measure, figure in own["published"].items():
        if not isinstance(figure, Decimal):
            raise InputError(f"{where}published {measure} = {figure!r}; expected a figure such as 0.5058")
    experiment = {"collections": [own["collection"]], "measures": list(own["published"]), "systems": systems}
    texts = set(_texts(experiment))
    place = DATA if data is None else str(data)
    filled = json.dumps(experiment, default=float).replace(DATA, json.dumps(place)[1:-1])  # options' Decimals to floats
    return Row(
        parse_experiment(json.loads(filled)),
        {str(parse_measure(measure)): figure for measure, figure in own["published"].items()},
        own["source"],
        own["first_stage"],
        own.get("tolerance"),
        {name: size for name, size in downloads.items() if name in texts},
        own.get("minutes", 0),
        tuple(Path(text.replace(DATA, place)) for text in sorted(texts) if DATA in text),
    )


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a table, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)
