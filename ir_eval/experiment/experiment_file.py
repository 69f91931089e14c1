"""An experiment from its TOML file, and back."""

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from gemma_st.errors import ModelError
from gemma_st.toml import toml_key, toml_lines
from ir_eval.errors import InputError
from ir_eval.experiment.config import Experiment
from ir_eval.experiment.systems import CollectionName, Fuse, Given, Rerank, Retrieve, SystemConfig

FIELDS = {"collections": list, "systems": dict, "measures": list, "baseline": str, "correction": str, "seed": int}
WORDS = {list: "a list", dict: "tables [systems.NAME]", str: "a text", int: "a whole number", Decimal: "a fraction"}
KINDS = ("retrieve", "run", "fuse", "rerank")


DATA = "{data}"  # stands for the data folder


def read_experiment(path: str | Path, data: str | Path | None = None) -> Experiment:
    """Read an experiment; paths in it count from where the command is run.

    ``collections`` are names or ``{name = …, split = …, measures = […]}``. Each ``[systems.NAME]`` has one of
    ``retrieve = "bm25"`` or ``"dense"``, ``run = FILE``, ``fuse = [NAMES]`` and ``rerank = NAME``, and its own options.

    Args:
        path: The file.
        data: What ``{data}`` stands for in it.

    Raises:
        InputError: The file is missing, is no TOML, or says something that is not understood; names file and field.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if DATA in text and data is None:
            raise InputError(f"{path}: {DATA} is not known; give --data DIR or set GEMMA_ST_DATA")
        table = tomllib.loads(text.replace(DATA, json.dumps(str(data))[1:-1]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a readable TOML file ({error}); expected an experiment") from error
    try:
        return parse_experiment(table)
    except (InputError, ModelError) as error:
        raise InputError(f"{path}: {error}") from error


def parse_experiment(table: Mapping[str, Any]) -> Experiment:
    """Turn what a TOML or JSON file holds into an experiment.

    Raises:
        InputError: A field is unknown, missing or of another type.
    """
    check_fields("", table, FIELDS)
    for name in ("collections", "systems"):
        if name not in table:
            raise InputError(f"no {name}; expected collections and [systems.NAME] tables; add them")
    options = {name: value for name, value in table.items() if name not in ("collections", "systems", "measures")}
    if "measures" in table:
        options["measures"] = _texts("measures", table["measures"])
    systems = {name: _system(f"[systems.{name}]", system) for name, system in table["systems"].items()}
    return Experiment(tuple(_collection(place) for place in table["collections"]), systems, **options)


def experiment_toml(experiment: Experiment) -> str:
    """Return the file that says all of an experiment, its defaults too; `read_experiment` reads the same from it."""
    table = experiment.to_dict()
    systems = table.pop("systems")
    lines = toml_lines(table)
    for name, system in systems.items():
        lines += ["", f"[systems.{toml_key(name)}]", *toml_lines(system)]
    return "\n".join(lines) + "\n"


def _collection(place: object) -> CollectionName:
    if isinstance(place, str):
        return CollectionName(place)
    if not isinstance(place, dict) or not isinstance(place.get("name"), str):
        raise InputError(f"collections: {place!r}; expected a name, or a table with name and split or measures")
    check_fields("collections: ", place, {"name": str, "split": str, "measures": list})
    return CollectionName(place["name"], place.get("split"), _texts("collections: measures", place.get("measures", [])))


def _system(where: str, table: object) -> SystemConfig:
    options: dict[str, Any] = dict(table) if isinstance(table, dict) else {}
    kinds = [kind for kind in KINDS if kind in options]
    if len(kinds) != 1:
        raise InputError(f"{where} has {' and '.join(kinds) or 'none'} of {', '.join(KINDS)}; expected one of them")
    kind = kinds[0]
    value = options.pop(kind)
    if kind == "fuse":
        return _fuse(where, _texts(f"{where} fuse", value), options)
    if not isinstance(value, str):
        _refuse(f"{where} ", kind, value, "a text")
    if kind == "retrieve":
        check_fields(f"{where} ", {"hits": options.get("hits", 1)}, {"hits": int})
        return Retrieve(value, **({"hits": options.pop("hits")} if "hits" in options else {}), options=options)
    if kind == "run":
        check_fields(f"{where} ", options, {})
        return Given(value)
    check_fields(f"{where} ", options, {"model": str, "depth": int})
    if "model" not in options:
        raise InputError(f"{where} rerank without a model; expected a directory, packaged model or hub id; add model")
    return Rerank(value, **options)


def _fuse(where: str, parts: tuple[str, ...], options: dict[str, Any]) -> Fuse:
    check_fields(f"{where} ", options, {"method": str, "normalisation": str, "weights": list, "tune_on": dict})
    if "weights" in options:
        if not all(type(weight) in (int, float) for weight in options["weights"]):
            _refuse(f"{where} ", "weights", options["weights"], "a list of numbers")
        options["weights"] = tuple(map(float, options["weights"]))
    if "tune_on" in options:
        options["tune_on"] = _collection(options["tune_on"])
    return Fuse(parts, **options)


def check_fields(where: str, table: Mapping[str, Any], known: Mapping[str, type]) -> None:
    """Refuse what a table must not hold.

    Args:
        where: Before the field's name in the error.
        table: From a file.
        known: Field to type, one of `WORDS`.

    Raises:
        InputError: A field is unknown, or of another type; names it.
    """
    for name, value in table.items():
        if name not in known:
            raise InputError(f"{where}unknown {name}; expected {', '.join(known) or 'nothing more'}")
        if type(value) is not known[name]:
            _refuse(where, name, value, WORDS[known[name]])


def _texts(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        _refuse("", where, value, "a list of texts")
    return tuple(value)


def _refuse(where: str, name: str, value: object, expected: str) -> NoReturn:
    seen = value if isinstance(value, Decimal) else repr(value)
    raise InputError(f"{where}{name} = {seen}; expected {expected}")
