"""Files read line by line with their line numbers, and written whole or not at all."""

import gzip
import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ir_eval.errors import InputError

_WRITABLE = "expected a folder with room that you may write to; choose another"


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line number, text)`` of a UTF-8 file, plain or ``.gz``, without line ends and blank lines.

    Args:
        path: The file to read.

    Raises:
        InputError: The file is missing, is a folder, or holds a line that is not UTF-8.
    """
    path = Path(path)
    try:
        with _open_binary(path, "rb") as lines:
            for number, raw in enumerate(lines, 1):
                try:
                    text = raw.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"{path}:{number}: byte {raw[error.start]:#04x} at column {error.start + 1} is not UTF-8; "
                        "convert the file to UTF-8"
                    ) from None
                if text.strip():
                    yield number, text
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); expected a whole file; check the path") from error


def check_folder(path: str | Path) -> None:
    """Refuse, before long work, a folder that could not be written after it; makes nothing.

    Raises:
        InputError: The path is not a folder, or may not be written or made.
    """
    path = Path(path)
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InputError(f"{path}: cannot be written ({nearest} is no folder, or is protected); {_WRITABLE}")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield the path of a temporary file that takes the name ``path`` only if the block ends without an error.

    Args:
        path: The file to write; its folder is made. The block makes the temporary file, whose name ends as this one's.

    Raises:
        InputError: It cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); {_WRITABLE}") from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file (gzipped if it ends in ``.gz``) that appears under its name only once written whole.

    Args:
        path: The file to write; its folder is made.

    Raises:
        InputError: It cannot be written.
    """
    with atomic_path(path) as temporary, _open_text(temporary) as file:
        yield file


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name ``path`` only if the block ends without an error.

    When another process finished the same folder first, that one stays and ours is dropped.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        if not path.exists():
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open_binary(path: Path, mode: str) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode))


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "wt", encoding="utf-8", newline="\n"))
    return path.open("w", encoding="utf-8", newline="\n")
