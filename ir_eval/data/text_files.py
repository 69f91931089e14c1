"""Text files: reading with line numbers, and writing with errors that a user of the command line can act on."""

import gzip
import os
import re
import stat
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, cast

from gemma_st import files
from ir_eval.errors import InputError, shorten

MAX_LINE_BYTES = 2**26  # a file without line ends would fill the memory
MAX_ID_BYTES = 4096  # hashing takes memory for as many bytes as the longest id has, times the number of rows
_NO_ID = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")  # whitespace for C, control characters, halves of a character
_REMEDY = "expected a folder with room that you may write to; choose another"


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line number, text)`` of a UTF-8 file, plain or ``.gz``; blank lines are counted but not yielded.

    A byte order mark at the beginning of the file is skipped.

    Raises:
        InputError: The file is missing, is a folder, is damaged, or holds a line that is not UTF-8.

    Examples:
        >>> next(read_lines("qrels.txt"))
        (1, 'q1 0 d1 1')
    """
    path, number = check_file(path), 0
    try:
        with unchanged(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            lines = iter(partial(cast(IO[bytes], file).readline, MAX_LINE_BYTES + 1), b"")
            for number, raw in enumerate(lines, 1):
                if len(raw) > MAX_LINE_BYTES:
                    seen = f"a line of more than {MAX_LINE_BYTES >> 20} MB"
                    raise InputError(f"{path}:{number}: {seen}; expected one record a line; correct or remove the line")
                raw = raw.removeprefix(BOM_UTF8) if number == 1 else raw
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
        reason, where = getattr(error, "strerror", None) or error, f"{path}:{number + 1}" if number else path
        raise InputError(f"{where}: cannot be read ({reason}); expected a whole file; check the path") from error


def check_file(path: str | Path) -> Path:
    """Return the path of a file, or raise an InputError if there is no regular file.

    A pipe would be read once, and we read a file twice if its first line decides how, or if a line is wrong.

    Examples:
        >>> check_file("")
        Traceback (most recent call last):
        ir_eval.errors.InputError: '': an empty path; expected a file; check the variable or option that it comes from
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a path of type {type(path).__name__}; expected text or a Path")
    if not str(path):
        raise InputError("'': an empty path; expected a file; check the variable or option that it comes from")
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        name = str(path).replace("\0", "\\0")
        raise InputError(f"{name}: cannot be read ({reason}); expected a whole file; check the path") from error
    if S_ISDIR(mode):
        raise InputError(f"{path}: cannot be read (Is a directory); expected a file; check the path")
    if not S_ISREG(mode):
        raise InputError(f"{path}: cannot be read (a pipe or device); expected a file; write its content to one first")
    return Path(path)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Raise an InputError at the end of the block if the file has changed since its beginning.

    Examples:
        >>> with unchanged(Path("qrels.txt")):
        ...     text = Path("qrels.txt").read_text()
    """
    before = file_state(path)
    yield
    if file_state(path) != before:
        raise InputError(f"{path}: changed while it was read; expected a complete file; wait for what writes it")


def file_state(path: Path) -> tuple[int, int]:
    """Return size and date of a file, which differ after almost every change.

    Examples:
        >>> file_state(Path("qrels.txt"))[0] > 0
        True
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def excess(text: str) -> str:
    """Return what is wrong with an id of more than 4 KB, often several columns that lost their separators, or "".

    Examples:
        >>> excess("d1"), excess("x" * 5000)
        ('', "id 'xxxxxxxxxxxxxxxxxxxx…' of 5,000 bytes; expected at most 4,096")
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    return f"id {text[:20] + '…'!r} of {size:,} bytes; expected at most {MAX_ID_BYTES:,}" if size > MAX_ID_BYTES else ""


def id_fault(text: str) -> str:
    """Return why a TREC file cannot hold an id, or "".

    Examples:
        >>> id_fault("d1"), id_fault("d 1")
        ('', "id 'd 1'; expected text without whitespace or control characters")
    """
    if not text or (not text.isalnum() and _NO_ID.search(text)):
        return excess(text) or f"id {text[:40]!r}; expected text without whitespace or control characters"
    return excess(text)


def guard(text: str) -> str:
    r"""Return a blank if a file that begins with a text would lose a byte order mark that is part of it, or "".

    Examples:
        >>> guard("q1"), guard("\ufeffq1")
        ('', ' ')
    """
    return " " if text.startswith("\ufeff") else ""


def broken_character(text: str) -> str:
    r"""Return where a text has half of a character, as ``"\ud800"`` in JSON, or "".

    Examples:
        >>> broken_character("gold" + chr(0xD800))
        "half of a character, '\\ud800', at position 5; expected whole characters; correct the text"
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        return (
            f"half of a character, {half}, at position {error.start + 1}; expected whole characters; correct the text"
        )
    return ""


def check_folder(path: str | Path) -> None:
    """Check, before long work, that a folder exists or can be created, and is writable; nothing is created.

    Examples:
        >>> check_folder("qrels.txt/results")
        Traceback (most recent call last):
        ir_eval.errors.InputError: qrels.txt/results: cannot be written (qrels.txt is no folder, or is protected); ...
    """
    path = Path(path)
    if "\0" in str(path):
        raise InputError(f"{str(path)!r}: cannot be written (it has a NUL character); {_REMEDY}")
    with _explain_failure(path):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()  # fails for a name that is too long, for a link to itself, and behind a protected folder
        nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InputError(f"{path}: cannot be written ({nearest} is no folder, or is protected); {_REMEDY}")


def check_output(path: str | Path) -> None:
    """Check, before long work, that a file can be written: its folder as `check_folder` does, and that it is no folder.

    Examples:
        >>> check_output("collection")
        Traceback (most recent call last):
        ir_eval.errors.InputError: collection: cannot be written (it is a folder); expected the name of a file
    """
    if files.is_folder(path):
        raise InputError(f"{path}: cannot be written (it is a folder); expected the name of a file")
    check_folder(Path(path).parent)


def check_files(*paths: str | Path) -> None:
    """Check, before long work, that files exist; none is opened, since a pipe can be read only once.

    Examples:
        >>> check_files("qrels.txt", "absent.trec")
        Traceback (most recent call last):
        ir_eval.errors.InputError: absent.trec: cannot be read (No such file or directory); expected a whole file; ...
    """
    for path in paths:
        try:
            folder = stat.S_ISDIR(Path(path).stat().st_mode)
            reason = "Is a directory" if folder else ""
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        if reason:
            raise InputError(f"{shorten(str(path))}: cannot be read ({reason}); expected a whole file; check the path")


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a folder as `gemma_st.files.atomic_directory` does, but raise InputError if it cannot be written.

    Examples:
        >>> with atomic_directory("runs") as temporary:
        ...     (temporary / "bm25.trec").touch()
    """
    with _explain_failure(path), files.atomic_directory(Path(path)) as temporary:
        yield temporary


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[str]]:
    r"""Open a UTF-8 text file, gzipped if its name ends in ``.gz``, that appears under its name once it is complete.

    Examples:
        >>> with atomic_write("queries.tsv.gz") as file:
        ...     _ = file.write("q1\tdo goldfish grow\n")
    """
    with _explain_failure(path), files.atomic_path(Path(path)) as temporary:
        open_text = gzip.open if temporary.suffix == ".gz" else open
        with open_text(temporary, "wt", encoding="utf-8", newline="\n") as file:
            yield cast(IO[str], file)


@contextmanager
def _explain_failure(path: str | Path) -> Iterator[None]:
    """Turn an OSError into an InputError that names the path."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{shorten(str(path))}: cannot be written ({error.strerror}); {_REMEDY}") from error
