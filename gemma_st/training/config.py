"""One TOML file describes one training stage."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.training.student import StudentConfig


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
    storage: str = "float32"


def read_config(path: str | Path) -> TrainingConfig:
    """Read a training stage.

    Args:
        path: A TOML file with the fields of [gemma_st.training.config.TrainingConfig][].

    Raises:
        ModelError: The file is missing, is not TOML, or has a field that is unknown or lacking.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})") from error
    known = {f.name for f in fields(TrainingConfig)}
    for problem, names in (
        ("unknown", set(table) - known),
        ("missing", {"output", "lists", "loss", "trainer"} - set(table)),
    ):
        if names:
            raise ModelError(f"{path}: {problem} {', '.join(sorted(names))}; the fields are {', '.join(sorted(known))}")
    try:
        student = StudentConfig(**table.pop("student")) if "student" in table else None
    except TypeError as error:
        raise ModelError(f"{path}: [student]: {error}") from error
    if (student is None) == ("base" not in table.get("model", {})):
        raise ModelError(f"{path}: give either [model] base or [student], and not both")
    return TrainingConfig(
        output=Path(table.pop("output")), lists=[Path(p) for p in table.pop("lists")], student=student, **table
    )
