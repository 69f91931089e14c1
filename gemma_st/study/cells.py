"""Train and evaluate the cells of a study. Each cell is run by one of several processes and stored in one file."""

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
    """Return settings as log lines and error messages display them.

    Example:
        >>> describe({"attention": "causal", "pooler": {"name": "last", "k": 4}})
        'attention causal, pooler last k=4'
    """
    return ", ".join(f"{name} {label(value)}" for name, value in settings.items())


def run_cell(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Train and evaluate a cell, write ``NAME.json`` to the folder of all cells, and return its content.

    Training resumes from a checkpoint, and the model is deleted. A cell that is finished, or that another process runs,
    is skipped: None is returned.

    Raises:
        ModelError: The cell cannot be trained.

    Example:
        >>> from gemma_st.study.config import read_study
        >>> result = run_cell(read_study("study.toml").cells[0], Path("cells"))
        >>> result["task"], result["seed"], list(result["measures"])
        ('sst-2', 0, ['accuracy'])
    """
    work, lock, path = folder / cell.name, folder / f"{cell.name}.lock", folder / f"{cell.name}.json"
    with locked(lock) as ours:
        if not ours:
            return None
        result = None if path.exists() else _train(cell, work)
        if result:
            write_whole(path, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        shutil.rmtree(work, ignore_errors=True)
        lock.unlink(missing_ok=True)  # a process that has opened the lock already finds the cell finished
        return result


def _train(cell: Cell, work: Path) -> dict[str, Any]:
    start = time.monotonic()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # hide progress bars and logs
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
    """Create and lock a file for the length of a block, and return whether that succeeded.

    With ``wait``, block until the lock is free. The kernel releases the lock of a process that dies.

    Example:
        >>> with locked(Path("a.lock")) as ours, locked(Path("a.lock")) as theirs:
        ...     ours, theirs
        (True, False)
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
