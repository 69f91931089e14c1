"""Read an experiment from its TOML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.settings import from_table, read_toml, settings
from ir_eval.errors import InputError
from ir_eval.experiment.config import DEFAULT_MEASURES, Experiment
from ir_eval.experiment.system_config import CollectionName, SystemConfig
from ir_eval.experiment.systems import Fuse, Given, Rerank, Retrieve

KINDS: dict[str, type[SystemConfig]] = {"retrieve": Retrieve, "run": Given, "fuse": Fuse, "rerank": Rerank}


@settings(error=InputError)
class _Table:
    """The keys of the file; `Experiment` says what they mean."""

    collections: tuple[CollectionName, ...]
    systems: dict[str, dict[str, Any]]
    measures: tuple[str, ...] = DEFAULT_MEASURES
    baseline: str = ""
    correction: str = "holm"
    seed: int = 0


def read_experiment(path: str | Path, data: str | Path | None = None) -> Experiment:
    """Read an experiment from a TOML file; relative paths in it start at the current folder.

    ``collections`` are names or ``{name = …, split = …, measures = […]}``. Each ``[systems.NAME]`` has one of the keys
    ``retrieve = "bm25"`` or ``"dense"``, ``run = FILE``, ``fuse = [NAMES]`` and ``rerank = NAME``, and the options of
    its class: `Retrieve`, `Given`, `Fuse` or `Rerank`.

    Args:
        path: TOML file.
        data: Folder that ``{data}`` stands for in the file.

    Raises:
        InputError: The file is missing or is not TOML, or a key or value is wrong; the message names the closest key.

    Examples:
        >>> list(read_experiment("experiment.toml").systems)
        ['bm25', 'reranked']
    """
    table = read_toml(path, data, error=InputError)
    try:
        return parse_experiment(table)
    except (InputError, ModelError) as error:
        raise InputError(f"{path}: {error}") from error


def parse_experiment(table: Mapping[str, Any]) -> Experiment:
    """Make an experiment from the table of a TOML or JSON file, and check all keys and values.

    Examples:
        >>> experiment = read_experiment("experiment.toml")
        >>> parse_experiment(experiment.to_dict()) == experiment
        True
    """
    places = table.get("collections")
    if isinstance(places, list):
        table = {**table, "collections": [{"name": name} if isinstance(name, str) else name for name in places]}
    checked = from_table(_Table, table, error=InputError)
    systems = {name: _system(f"[systems.{name}] ", system) for name, system in checked.systems.items()}
    return Experiment(**{**vars(checked), "systems": systems})


def _system(where: str, table: Mapping[str, Any]) -> SystemConfig:
    kinds = [key for key in KINDS if key in table]
    if len(kinds) != 1:
        raise InputError(f"{where}has {' and '.join(kinds) or 'none'} of {', '.join(KINDS)}; expected one of them")
    if kinds == ["retrieve"]:  # every other key is an option of the retriever
        own = {key: table[key] for key in ("retrieve", "hits", "exclude_query") if key in table}
        table = {**own, "options": {key: value for key, value in table.items() if key not in own}}
    return from_table(KINDS[kinds[0]], table, where, error=InputError)
