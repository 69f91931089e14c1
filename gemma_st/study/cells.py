"""A cell trained by one process of several, measured, and kept as one file."""

import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.files import write_whole
from gemma_st.hub.training_record import PACKAGES
from gemma_st.provenance import commit
from gemma_st.study.config import Cell
from gemma_st.study.factors import Settings, label


def describe(settings: Settings) -> str:
    """Return settings as people read them.

    Args:
        settings: The value of each factor.
    """
    return ", ".join(f"{name} {label(value)}" for name, value in settings.items())


def read_cell(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Return what a cell measured, or None if it is not finished.

    Args:
        cell: The cell.
        folder: That of all cells.
    """
    try:
        found: dict[str, Any] = json.loads((folder / f"{cell.name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def run_cell(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Train and measure a cell, from its checkpoint if there is one, and write ``NAME.json``; its weights are deleted.

    Args:
        cell: The cell.
        folder: That of all cells.

    Returns:
        What the file holds; None if the cell is finished or another process is at it.

    Raises:
        ModelError: It cannot be trained.
    """
    work, lock, path = folder / cell.name, folder / f"{cell.name}.lock", folder / f"{cell.name}.json"
    with locked(lock) as ours:
        if not ours:
            return None
        made = None if path.exists() else _train(cell, work)
        if made:
            write_whole(path, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
        shutil.rmtree(work, ignore_errors=True)
        lock.unlink()  # whoever has opened it before finds the cell finished
        return made


def _train(cell: Cell, work: Path) -> dict[str, Any]:
    start = time.monotonic()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # bars and logs of every training
            measures = cell.task.run(cell.settings, seed=cell.seed, folder=work)
    except ModelError as error:
        raise ModelError(f"{cell.task.name} with {describe(cell.settings)}: {error}") from error
    return {
        "task": cell.task.name,
        "settings": cell.settings,
        "seed": cell.seed,
        "measures": measures,
        "seconds": round(time.monotonic() - start, 1),
        "commit": commit(),
        "versions": {name: version(name) for name in ("gemma-encoder", *PACKAGES)},
    }


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Lock a file for a block, and say whether that was possible; the kernel frees what a dead process had locked.

    Args:
        path: The file; it is made.
        wait: Whether to wait until it is free.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
