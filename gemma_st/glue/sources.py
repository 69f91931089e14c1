"""Where rows come from: the benchmark's own files, or the hub."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.glue.examples import Row, Split, split
from gemma_st.glue.tasks import Task

# datasets no longer runs scripts such as super_glue's, but the hub has its own conversion of it.
HUB = {"glue": ("nyu-mll/glue", None), "super_glue": ("aps/super_glue", "refs/convert/parquet")}
FILES = {"train": ("train",), "dev": ("dev", "val"), "test": ("test", "test-labeled")}
ENDS = {"glue": ".tsv", "super_glue": ".jsonl"}
NAMES = {"Quality": "label", "is_duplicate": "label", "gold_label": "label", "score": "label"}
NAMES |= {"#1 String": "sentence1", "#2 String": "sentence2", "idx": "index", "id": "index"}
HEADERS = {"cola": ("source", "label", "star", "sentence")}  # where there may be none
REASON = 300  # characters of a library's message that are passed on


def from_files(task: Task, folder: Path, name: str) -> dict[str, Split]:
    """Read a set from the benchmark's own files.

    Args:
        task: The task.
        folder: The task's own.
        name: ``"train"``, ``"dev"`` or ``"test"``.

    Returns:
        The set, or its parts by the ends of their names; nothing where there is no file.

    Raises:
        ModelError: A row is not an example of the task.
    """
    splits = {}
    for part in ("",) if name == "train" else task.parts:
        paths = [folder / f"{stem}{part}{ENDS[task.suite]}" for stem in FILES[name]]
        if found := [path for path in paths if path.exists()]:
            splits[part] = split(task, _rows(found[0], task), name)
    return splits


def _rows(path: Path, task: Task) -> Iterator[tuple[str, Row]]:
    """Yield ``(file:line, row)``, its columns named as on the hub."""
    renamed = NAMES | dict(zip(task.columns_in_files, task.columns, strict=False))
    read = _objects if path.suffix == ".jsonl" else _fields
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            numbered = ((f"{path}:{number}", line.rstrip("\r\n")) for number, line in enumerate(lines, 1))
            for where, row in read(numbered, HEADERS.get(task.config, ())):
                yield where, {renamed.get(name, name): value for name, value in row.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); get the file anew") from error


def _fields(lines: Iterator[tuple[str, str]], missing: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Read TSV without quotes; CoLA's own files begin without a header, with four fields."""
    where, line = next(lines, ("", ""))
    header: Sequence[str] = line.split("\t")
    if missing and len(header) == len(missing):
        header, lines = missing, chain([(where, line)], lines)
    for where, line in lines:
        fields = line.split("\t")
        if len(fields) != len(header):
            raise ModelError(f"{where}: {len(fields)} fields; expected {len(header)}: {', '.join(header)}")
        yield where, dict(zip(header, fields, strict=True))


def _objects(lines: Iterator[tuple[str, str]], _: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Read JSON lines."""
    for where, line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ModelError(f"{where}: {line[:40]!r}; expected a JSON object")
        yield where, row


def from_hub(task: Task, source: str | None, name: str) -> dict[str, Split]:
    """Load a set through ``datasets``.

    Args:
        task: The task.
        source: What ``datasets.load_dataset`` takes: a hub id, or a folder that is a copy of one; the benchmark's own
            on the hub if not given.
        name: ``"train"``, ``"dev"`` or ``"test"``.

    Returns:
        The set, or its parts by the ends of their names; nothing where there is none.

    Raises:
        ModelError: It cannot be loaded, or a row is not an example of the task.
    """
    import datasets

    path, revision = (source, None) if source else HUB[task.suite]
    splits = {}
    for part in ("",) if name == "train" else task.parts:
        called = f"{'validation' if name == 'dev' else name}{part}"
        try:
            loaded = datasets.load_dataset(path, task.config, revision=revision, split=called)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            if str(error).startswith("Unknown split"):
                continue
            reason = " ".join(str(error).split())[:REASON]
            raise ModelError(
                f"{path}: {task.config} is not there ({reason}); expected {task.title}/train{ENDS[task.suite]} "
                "in a folder, or a hub id of the benchmark"
            ) from error
        names = getattr(loaded.features.get("label"), "names", None)
        rows = ((f"{path} {task.config} {called}:{n}", _named(row, names)) for n, row in enumerate(loaded, 1))
        splits[part] = split(task, rows, name)
    return splits


def _named(row: Row, names: list[str] | None) -> Row:
    """Return a row of the hub with the name of its class, in whatever order the hub has them."""
    label = row.get("label")
    if names and isinstance(label, int) and label >= 0:
        label = names[label]
    return {**row, "label": label, "index": row.get("idx")}
