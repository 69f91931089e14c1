"""Read the rows of a task from the benchmark's own files or from the hub."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.files import is_folder, numbered_lines
from gemma_st.glue.examples import Row, Split, parse_rows
from gemma_st.glue.tasks import Task

# The hub's own conversion of super_glue: datasets no longer runs the script of the original.
HUB = {"glue": ("nyu-mll/glue", None), "super_glue": ("aps/super_glue", "refs/convert/parquet")}
FILE_STEMS = {"train": ("train",), "dev": ("dev", "val"), "test": ("test", "test-labeled")}
FILE_ENDINGS = {"glue": ".tsv", "super_glue": ".jsonl"}
COLUMN_NAMES = {  # column in the benchmark's files -> column on the hub
    **dict.fromkeys(("Quality", "is_duplicate", "gold_label", "score"), "label"),
    **{"#1 String": "sentence1", "#2 String": "sentence2", "idx": "index", "id": "index"},
}
MISSING_HEADERS = {"cola": ("source", "label", "star", "sentence")}  # columns of files that may lack a header
REASON_LENGTH = 300  # characters of a library's error message that are passed on


def read_set(task: Task, source: str | None, name: str) -> dict[str, Split]:
    """Read the sets of a task that are named ``"train"``, ``"dev"`` or ``"test"``, from a source as in ``load``.

    Return the sets by suffix, such as ``""`` or ``"_matched"``; the result is empty if the source has no such set.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> read_set(TASKS["sst-2"], "glue", "train")[""].texts[0]
        ('a dull film',)
    """
    parts = ("",) if name == "train" else task.parts
    folder = Path(source or "", task.title)
    in_files = bool(source) and is_folder(folder) and any(folder.glob("train.*"))
    found = {
        part: _from_files(task, folder, name, part) if in_files else _from_hub(task, source, name, part)
        for part in parts
    }
    return {part: split for part, split in found.items() if split}


def _from_files(task: Task, folder: Path, name: str, part: str) -> Split | None:
    """Read a set from the benchmark's own files; None if there is no file."""
    paths = [folder / f"{stem}{part}{FILE_ENDINGS[task.suite]}" for stem in FILE_STEMS[name]]
    path = next((path for path in paths if path.exists()), None)
    return parse_rows(task, _rows(path, task), name) if path else None


def _rows(path: Path, task: Task) -> Iterator[tuple[str, Row]]:
    """Yield ``(file:line, row)``, the columns named as on the hub."""
    renamed = COLUMN_NAMES | dict(zip(task.columns_in_files, task.columns, strict=False))
    lines = numbered_lines(path, remedy="download the file again")
    numbered = ((where, line.rstrip("\r\n")) for where, line in lines if line.strip("\r\n "))
    rows = _json(numbered) if path.suffix == ".jsonl" else _tsv(numbered, MISSING_HEADERS.get(task.config, ()))
    for where, row in rows:
        yield where, {renamed.get(name, name): value for name, value in row.items()}


def _tsv(lines: Iterator[tuple[str, str]], missing: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Parse TSV without quotes. A first line with as many fields as a missing header is a row, not a header."""
    where, line = next(lines, ("", ""))
    header: Sequence[str] = line.split("\t")
    if missing and len(header) == len(missing):
        header, lines = missing, chain([(where, line)], lines)
    for where, line in lines:
        values = line.split("\t")
        if len(values) != len(header):
            raise ModelError(f"{where}: {len(values)} fields; expected {len(header)}: {', '.join(header)}")
        yield where, dict(zip(header, values, strict=True))


def _json(lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, Row]]:
    """Parse JSON lines."""
    for where, line in lines:
        row = None
        with suppress(ValueError, RecursionError):
            row = json.loads(line)
        if not isinstance(row, dict):
            raise ModelError(f"{where}: {line[:40]!r}; expected a JSON object")
        yield where, row


def _from_hub(task: Task, source: str | None, name: str, part: str) -> Split | None:
    """Load a set through ``datasets``; None if the dataset has no such set."""
    import datasets

    path, revision = (source, None) if source else HUB[task.suite]
    called = f"{'validation' if name == 'dev' else name}{part}"
    try:
        loaded = datasets.load_dataset(path, task.config, revision=revision, split=called)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        if str(error).startswith("Unknown split"):
            return None
        reason = " ".join(str(error).split())[:REASON_LENGTH]
        raise ModelError(
            f"{path}: {task.config} is not there ({reason}); expected {task.title}/train{FILE_ENDINGS[task.suite]} "
            "in a folder, or a hub id of the benchmark"
        ) from error
    names = getattr(loaded.features.get("label"), "names", None)
    rows = ((f"{path} {task.config} {called}:{n}", _named(row, names)) for n, row in enumerate(loaded, 1))
    return parse_rows(task, rows, name)


def _named(row: Row, names: list[str] | None) -> Row:
    """Return a row of the hub with the name of its class: the order of the classes may differ from ours."""
    label = row.get("label")
    if names and isinstance(label, int) and label >= 0:
        label = names[label]
    return {**row, "label": label, "index": row.get("idx")}
