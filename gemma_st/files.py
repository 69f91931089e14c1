"""Files and folders that appear under their name only once they are complete, and the digest of a file."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gemma_st.errors import ModelError

# What a full, read-only or protected disk raises, and a path that leads through a file.
WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
WRITE_ERRORS |= {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
# Parts of what safetensors and torch raise instead, without a number.
REASON_LENGTH = 200
LONGEST_LINE = 1 << 27  # characters
WRITE_MESSAGES = ("os error", "PytorchStreamWriter", "inline_container", *map(os.strerror, (errno.ENOSPC, errno.EROFS)))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``path`` if the block ends without an error, and removed otherwise.

    The folder of ``path`` is created, and the temporary path has the same suffix; the block creates the file.

    Examples:
        >>> with atomic_path(Path("scores.txt")) as temporary:
        ...     _ = temporary.write_text("0.5")
        >>> Path("scores.txt").read_text()
        '0.5'
    """
    temporary = _temporary_sibling(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that is renamed to ``path`` if the block ends without an error.

    If another process has created ``path`` in the meantime, its folder stays and ours is removed.

    Examples:
        >>> with atomic_directory(Path("index")) as temporary:
        ...     _ = (temporary / "part").write_text("content")
        >>> [file.name for file in Path("index").iterdir()]
        ['part']
    """
    temporary = _temporary_sibling(path)
    temporary.mkdir()
    try:
        yield temporary
        if not path.exists():
            try:
                temporary.replace(path)
            except OSError:
                if not path.is_dir():  # another process was faster
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    r"""Write a UTF-8 text file that appears under its name only once it is complete; its folder is created.

    Line ends are written as they are.

    Examples:
        >>> write_whole(Path("notes", "todo.txt"), "train\n")
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Turn a failure of the block to write into a `ModelError`: what was written, where, why, and what to do.

    Other errors pass.

    Examples:
        >>> with writing(Path("trained"), "the model"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: trained: the model cannot be written (No space left on device); free space there ...
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if not (reason := _write_failure(error)):
            raise
        remedy = "free space there or give another folder, then run the same command again"
        raise ModelError(f"{path}: {what} cannot be written ({reason}); {remedy}") from error


def numbered_lines(path: Path, *, remedy: str) -> Iterator[tuple[str, str]]:
    """Yield ``("FILE:LINE", line)`` for each line of a UTF-8 file; a byte order mark is skipped.

    A file that cannot be read, is no UTF-8 or has a line of 128M characters raises `ModelError`; the message ends with
    the ``remedy``.

    Examples:
        >>> [where for where, line in numbered_lines(Path("lists.jsonl"), remedy="write it again")][:2]
        ['lists.jsonl:1', 'lists.jsonl:2']
    """
    try:
        # A byte that is no UTF-8 becomes a lone surrogate, so that its line can be named.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), 1):
                where = f"{path}:{number}"
                if len(line) == LONGEST_LINE and not line.endswith("\n"):
                    raise ModelError(f"{where}: a line of {LONGEST_LINE:,} characters or more; {remedy}")
                if not is_unicode(line):
                    raise ModelError(f"{where}: cannot be read as UTF-8 text; {remedy}")
                yield where, line
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); {remedy}") from error


def is_unicode(text: str) -> bool:
    r"""Return whether a text has no lone surrogate, and so can be encoded.

    Examples:
        >>> is_unicode("gold"), is_unicode("\ud800")
        (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes (64 hex digits), read as a stream.

    Examples:
        >>> digest(Path("qrels.txt"))[:8]
        'd426bfd4'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file(path: str | Path) -> bool:
    """Return whether a path leads to a regular file; False also for a path that no file can have.

    Examples:
        >>> is_file("qrels.txt"), is_file("x" * 5000)
        (True, False)
    """
    return _is(Path.is_file, path)


def is_folder(path: str | Path) -> bool:
    """Return whether a path leads to a folder; False also for a path that no folder can have, and for an empty one.

    Examples:
        >>> is_folder("collection"), is_folder("x" * 5000), is_folder("")
        (True, False, False)
    """
    return str(path) != "" and _is(Path.is_dir, path)


def _is(test: Callable[[Path], bool], path: str | Path) -> bool:
    try:
        return test(Path(path))
    except (OSError, ValueError):  # too long, or with a NUL character
        return False


def _temporary_sibling(path: Path) -> Path:
    """Return an unused path in the same folder, which is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")


def _write_failure(error: BaseException | None) -> str | None:
    """Return why something could not be written, or None if the error is another."""
    while error:
        if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of copytree: a tuple for each file
            return str(error.args[0][0][-1])
        if isinstance(error, OSError) and error.errno in WRITE_ERRORS:
            return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        if any(part in str(error) for part in WRITE_MESSAGES):
            return str(error).partition("\n")[0][:REASON_LENGTH]
        error = error.__cause__ or error.__context__
    return None
