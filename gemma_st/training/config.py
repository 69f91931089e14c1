"""One TOML file describes one training stage."""

import inspect
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gemma_st.errors import ModelError
from gemma_st.hub.saving import STORAGE
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.training.evaluator import EvaluationConfig
from gemma_st.training.lora import AdapterConfig

DATA = "{data}"  # stands for the data folder
Made = TypeVar("Made")
REQUIRED: dict[str, type] = {"output": str, "lists": list, "loss": dict, "trainer": dict}
OPTIONAL: dict[str, type] = {
    "model": dict,
    "teacher": str,
    "dropout": dict,
    "documents": int,
    "lora": dict,
    "evaluation": dict,
    "storage": str,
    "exact": list,
    "relative_rates": bool,
}
TYPES: dict[type, str] = {
    **{str: "a string", list: "a list of strings", dict: "a table"},
    **{bool: "true or false", int: "a whole number above 0"},
}


@dataclass(frozen=True)
class TrainingConfig:
    """A stage as its file says it; relative paths count from where the command is run.

    Attributes:
        output: The directory of the trained model, its checkpoints below it.
        lists: JSONL files of ``{"query", "documents", "labels"}``, as ``ir-eval mine`` writes them.
        teacher: A bi-encoder's directory or hub id, or ``all-minilm-l6-v2`` for the one that comes as a Python package.
        model: ``base`` (a directory, packaged model or hub id) and the arguments of
            [gemma_st.build.cross_encoder][]; a ``base`` that is a cross-encoder is trained further as it is, or, where
            a ``pooler`` or ``head`` is asked for, its backbone is, under fresh ones.
        dropout: Shares of values dropped while training; see [gemma_st.modeling.dropout][].
        documents: How many documents a list has at most, the rest drawn anew with the trainer's seed; all if None.
        lora: Train adapters in place of the backbone's weights.
        evaluation: What the model is measured on while it is trained.
        loss: ``name``, one of [gemma_st.training.losses.LOSSES][], and the loss's own arguments.
        storage: Weight type of the backbone on disk; see [gemma_st.hub.saving.save][].
        exact: Beginnings of the names of weights that are stored in float32 all the same.
        relative_rates: Whether the learning rate is a share of each weight's own typical size.
        trainer: sentence-transformers' ``CrossEncoderTrainingArguments``, verbatim.
    """

    output: Path
    lists: list[Path]
    loss: dict[str, Any]
    trainer: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    dropout: DropoutRates = DropoutRates()
    documents: int | None = None
    lora: AdapterConfig | None = None
    evaluation: EvaluationConfig | None = None
    storage: str = "float32"
    exact: list[str] = field(default_factory=list)
    relative_rates: bool = False


def read_config(path: str | Path, data: str | Path | None = None) -> TrainingConfig:
    """Read a training stage.

    Args:
        path: A TOML file with the fields of [gemma_st.training.config.TrainingConfig][].
        data: What ``{data}`` stands for in it.

    Raises:
        ModelError: The file is missing, is not TOML, or has a field that is unknown, lacking or of another type.
    """
    return make_config(f"{path}:", read_table(path, data))


def read_table(path: str | Path, data: str | Path | None = None) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        data: What ``{data}`` stands for in it.

    Raises:
        ModelError: The file is missing or is not TOML, or nobody says what ``{data}`` stands for.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if DATA in text and data is None:
            raise ModelError(f"{path}: {DATA} is not known; give --data DIR or set GEMMA_ST_DATA")
        return tomllib.loads(text.replace(DATA, json.dumps(str(data))[1:-1]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})") from error


def make_config(where: str, given: Mapping[str, Any]) -> TrainingConfig:
    """Make a training stage of a table.

    Args:
        where: What errors begin with: the file, and which of its tables.
        given: The fields of [gemma_st.training.config.TrainingConfig][].

    Raises:
        ModelError: A field is unknown, lacking or of another type.
    """
    table = dict(given)
    check_names(where, table, {*REQUIRED, *OPTIONAL})
    if missing := set(REQUIRED) - set(table):
        raise ModelError(f"{where} missing {', '.join(sorted(missing))}; add them")
    for name, value in table.items():
        _check_type(where, name, value)
    if table.get("storage", STORAGE[0]) not in STORAGE:
        raise ModelError(f"{where} storage = {table['storage']!r}; expected {' or '.join(STORAGE)}")
    if "base" not in table.get("model", {}):
        raise ModelError(f"{where} [model] has no base; give a directory, a packaged model or a hub id")
    _make_tables(where, table)
    return TrainingConfig(output=Path(table.pop("output")), lists=[Path(p) for p in table.pop("lists")], **table)


def _make_tables(where: str, table: dict[str, Any]) -> None:
    """Put dataclasses in the place of the tables that have one."""
    table["dropout"] = make(f"{where} [dropout]", table.get("dropout", {}), DropoutRates)
    if "lora" in table:
        table["lora"] = make(f"{where} [lora]", table["lora"], AdapterConfig)
        if table.get("storage", STORAGE[0]) != STORAGE[0]:
            raise ModelError(f"{where} [lora] with storage = {table['storage']!r}; take it out: adapters are float32")
    if "evaluation" in table:
        own = {name: value for name, value in table["evaluation"].items() if name in ("steps", "name")}
        options = {name: value for name, value in table["evaluation"].items() if name not in own}
        table["evaluation"] = make(f"{where} [evaluation]", {**own, "options": options}, EvaluationConfig)


def make(where: str, table: Mapping[str, Any], kind: Callable[..., Made]) -> Made:
    """Make a dataclass of a table; it checks its own values.

    Args:
        where: What errors begin with.
        table: Its fields.
        kind: The dataclass.

    Raises:
        ModelError: A field is unknown or lacking, or its value is not one of it.
    """
    check_names(where, table, set(inspect.signature(kind).parameters))
    try:
        return kind(**table)
    except (ModelError, TypeError) as error:
        raise ModelError(f"{where} {error}") from error


def _check_type(where: str, name: str, value: object) -> None:
    wanted = (REQUIRED | OPTIONAL)[name]
    strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
    number = wanted is not int or (type(value) is int and value > 0)
    if not (isinstance(value, wanted) and strings and number):
        raise ModelError(f"{where} {name} = {value!r}; expected {TYPES[wanted]}")


def check_names(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse names that are not known.

    Args:
        where: What the error begins with.
        table: Whose names.
        known: All that there are.

    Raises:
        ModelError: A name is not among them.
    """
    if unknown := set(table) - set(known):
        raise ModelError(f"{where} unknown {', '.join(sorted(unknown))}; the fields are {', '.join(sorted(known))}")
