"""Locks that end with their process: a cell of a study is trained once, and a folder is written by one process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from gemma_st.errors import ModelError
from gemma_st.files import writing


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Create and lock a file for the length of a block, and return whether that succeeded.

    With ``wait``, block until the lock is free. The kernel releases the lock of a process that dies. The block may
    delete the file: a process that waited for the lock then locks the new file. Windows has no such locks; there the
    lock always succeeds.

    Examples:
        >>> with locked(Path("a.lock")) as ours, locked(Path("a.lock")) as theirs:
        ...     ours, theirs
        (True, False)
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    yield True
                    return


@contextmanager
def reserved(directory: Path) -> Iterator[None]:
    """Create a directory to write to, and refuse other processes that would write to it during a block.

    Raises:
        ModelError: The directory or its parent cannot be written to, or another process has reserved it.

    Examples:
        >>> with reserved(Path("trained")):
        ...     with reserved(Path("trained")):
        ...         pass
        Traceback (most recent call last):
        gemma_st.errors.ModelError: ...trained: another process writes to it; wait until it ends, or give another folder
    """
    target = directory.resolve()
    lock = target.parent / f".{target.name}.lock"
    with writing(target, "the output"):
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=target) as file:
            file.write(b"\0" * 4096)  # a full disk still creates empty files
    try:
        with locked(lock) as ours:
            if not ours:
                raise ModelError(f"{target}: another process writes to it; wait until it ends, or give another folder")
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    finally:
        with suppress(OSError):
            target.rmdir()  # only if nothing was written
