"""One TOML file describes one training stage."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gemma_st.dropout import DropoutRates
from gemma_st.errors import ModelError
from gemma_st.saving import STORAGE
from gemma_st.training.student import StudentConfig

REQUIRED = {"output": str, "lists": list, "loss": dict, "trainer": dict}
OPTIONAL = {"model": dict, "teacher": str, "student": dict, "dropout": dict, "storage": str}
TYPES = {str: "a string", list: "a list of strings", dict: "a table"}


@dataclass(frozen=True)
class TrainingConfig:
    """A stage as its file says it; relative paths count from where the command is run.

    Attributes:
        output: The directory of the trained model, its checkpoints below it.
        lists: JSONL files of ``{"query", "documents", "labels"}``, as ``ir-eval mine`` writes them.
        teacher: A bi-encoder's directory or hub id, or ``all-minilm-l6-v2`` for the one that comes as a Python package.
        model: ``base`` (a directory, packaged model or hub id) and the arguments of
            [gemma_st.build.cross_encoder][]; a ``base`` that is a cross-encoder is trained further as it is.
        student: Shape of a fresh student of the teacher, in place of ``model.base``.
        dropout: Shares of values dropped while training; see [gemma_st.dropout][].
        loss: ``name`` and the loss's own arguments.
        storage: Weight type of the backbone on disk, ``float32`` or ``bfloat16``; see [gemma_st.saving.save][].
        trainer: sentence-transformers' ``CrossEncoderTrainingArguments``, verbatim.
    """

    output: Path
    lists: list[Path]
    loss: dict[str, Any]
    trainer: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    student: StudentConfig | None = None
    dropout: DropoutRates = DropoutRates()
    storage: str = "float32"


def read_config(path: str | Path) -> TrainingConfig:
    """Read a training stage.

    Args:
        path: A TOML file with the fields of [gemma_st.training.config.TrainingConfig][].

    Raises:
        ModelError: The file is missing, is not TOML, or has a field that is unknown, lacking or of another type.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})") from error
    _check_names(f"{path}:", table, {*REQUIRED, *OPTIONAL})
    if missing := set(REQUIRED) - set(table):
        raise ModelError(f"{path}: missing {', '.join(sorted(missing))}; add them")
    for name, value in table.items():
        wanted = (REQUIRED | OPTIONAL)[name]
        if not isinstance(value, wanted) or wanted is list and not all(isinstance(item, str) for item in value):
            raise ModelError(f"{path}: {name} = {value!r}; expected {TYPES[wanted]}")
    if table.get("storage", STORAGE[0]) not in STORAGE:
        raise ModelError(f"{path}: storage = {table['storage']!r}; expected {' or '.join(STORAGE)}")
    if ("student" in table) == ("base" in table.get("model", {})):
        raise ModelError(f"{path}: give either [model] base or [student], and not both")
    student = _student(path, table.pop("student")) if "student" in table else None
    dropout = _dropout(path, table.pop("dropout", {}))
    output, lists = Path(table.pop("output")), [Path(p) for p in table.pop("lists")]
    return TrainingConfig(output=output, lists=lists, student=student, dropout=dropout, **table)


def _student(path: str | Path, table: dict[str, Any]) -> StudentConfig:
    _check_names(f"{path}: [student]", table, {f.name for f in fields(StudentConfig)})
    for name, value in table.items():
        if type(value) is not int or value < (name != "seed"):
            raise ModelError(f"{path}: [student] {name} = {value!r}; expected a whole number above 0")
    return StudentConfig(**table)


def _dropout(path: str | Path, table: dict[str, Any]) -> DropoutRates:
    _check_names(f"{path}: [dropout]", table, {f.name for f in fields(DropoutRates)})
    try:
        return DropoutRates(**table)
    except ModelError as error:
        raise ModelError(f"{path}: [dropout] {error}") from error


def _check_names(where: str, table: dict[str, Any], known: set[str]) -> None:
    if unknown := set(table) - known:
        raise ModelError(f"{where} unknown {', '.join(sorted(unknown))}; the fields are {', '.join(sorted(known))}")
