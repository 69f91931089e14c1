"""The cache: built collections, indexes and scores, stored under keys of the content that they were built from."""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gemma_st.files import atomic_directory, atomic_path, digest
from ir_eval.errors import InputError
from ir_eval.progress import announce

file_key = digest  # the SHA-256 of a file's bytes

ABOUT_FILENAME = "about.txt"  # in a folder of the cache: what it holds, in words
_CHECKSUM_BYTES = 32  # a SHA-256 before the content of each cached file
_REMEDY = "expected a writable folder with room for the cache; set IR_EVAL_CACHE to another folder, or free space"
_MAX_HELD = 16
_held: dict[Path, int | None] = {}  # open handles of the folders that this process has used last


def cache_dir() -> Path:
    """Return the cache folder, which may not exist yet.

    ``$IR_EVAL_CACHE`` if set, else ``ir_eval`` in ``$XDG_CACHE_HOME``, else ``~/.cache/ir_eval``.

    Examples:
        >>> cache_dir() == Path(os.environ["IR_EVAL_CACHE"])
        True
    """
    if own := os.environ.get("IR_EVAL_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "ir_eval"


def cached(
    name: str, build: Callable[[Path], None], *, check: Callable[[Path], str] | None = None, about: str = ""
) -> Path:
    """Return a folder of the cache; build it first if it does not exist or is damaged.

    Two processes may build the same folder at once: one of the two equal folders stays.

    Args:
        name: Path in the cache; contains a key of everything that the content of the folder depends on.
        build: Fills an empty folder. If it fails or is interrupted, the folder is removed.
        check: Opens the folder, as it was built or found, and returns what is wrong with it, or "".
        about: What the folder holds, for ``ir-eval cache``.

    Examples:
        >>> folder = cached("words/v1", lambda folder: (folder / "words.txt").touch(), about="all words")
        >>> sorted(path.name for path in folder.iterdir())
        ['about.txt', 'words.txt']
    """
    folder = cache_dir() / name
    if not _is_whole(folder, check):
        with _explain_failure(folder), writing(folder), atomic_directory(folder) as temporary:
            build(temporary)
            if check and (fault := check(temporary)):
                raise InputError(f"{folder}: cannot be written ({fault}); {_REMEDY}")
            if about:
                (temporary / ABOUT_FILENAME).write_text(about, encoding="utf-8")
        _hold(folder)
    return folder


def remembered(name: str, compute: Callable[[], bytes], *, about: str = "") -> bytes:
    """Return the bytes of a cached file; compute and write them first if the file does not exist or is damaged.

    Args:
        name: Path in the cache; contains a key of everything that the bytes depend on.
        compute: Returns the bytes. If it fails or is interrupted, nothing is written.
        about: What the file's folder holds, for ``ir-eval cache``.

    Examples:
        >>> remembered("scores/v1", lambda: b"0.5"), remembered("scores/v1", lambda: b"never called")
        (b'0.5', b'0.5')
    """
    path = cache_dir() / name
    with suppress(OSError):
        with path.open("rb") as file:
            checksum, data = file.read(_CHECKSUM_BYTES), file.read()
        if hashlib.sha256(data).digest() == checksum:
            mark_used(path.parent)
            return data
        announce(f"{path}: damaged; computing it again")
    data = compute()
    with _explain_failure(path), writing(path):
        with atomic_path(path) as temporary:
            temporary.write_bytes(hashlib.sha256(data).digest() + data)
        if about and not (path.parent / ABOUT_FILENAME).exists():
            with atomic_path(path.parent / ABOUT_FILENAME) as temporary:
                temporary.write_text(about, encoding="utf-8")
    return data


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Keep ``ir-eval cache --prune`` out of a kind of content, such as ``indexes``, while this process writes there.

    Examples:
        >>> with writing(cache_dir() / "scores" / "v1"):
        ...     pass
    """
    kind = cache_dir().joinpath(*path.relative_to(cache_dir()).parts[:-1][:1])
    kind.mkdir(parents=True, exist_ok=True)
    handle = lock(kind, fcntl.LOCK_SH)
    try:
        yield
    finally:
        release(handle)


def lock(folder: Path, how: int) -> int | None:
    """Lock a folder, as `fcntl.flock` does, and return the handle of the lock; None if the file system has no locks.

    Raises:
        BlockingIOError: ``how`` includes ``LOCK_NB``, and another process holds the lock.

    Examples:
        >>> release(lock(Path("."), fcntl.LOCK_SH))
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return handle


def release(*handles: int | None) -> None:
    """Release locks; without a handle, those of the folders that this process has used.

    Examples:
        >>> release()
    """
    for handle in handles or [_held.pop(folder, None) for folder in list(_held)]:
        if handle is not None:
            os.close(handle)


def content_key(*parts: str | bytes | int | float | None) -> str:
    """Return the SHA-256 (64 hex digits) of a sequence of values.

    Each value enters the hash with its type and length, so that ``("ab", "c")`` and ``("a", "bc")``, or ``1`` and
    ``"1"``, have different keys.

    Examples:
        >>> content_key("ab", "c") == content_key("a", "bc")
        False
    """
    key = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        key.update(f"{type(part).__name__}:{len(data)}:".encode())
        key.update(data)
    return key.hexdigest()


def _is_whole(folder: Path, check: Callable[[Path], str] | None) -> bool:
    """Return whether a folder can be used, which reserves it; a damaged folder is removed, with a note."""
    if not _hold(folder):
        return False
    fault = check(folder) if check else ""
    if not fault:
        return True
    announce(f"{folder}: damaged ({fault}); building it again")
    with _explain_failure(folder), writing(folder), suppress(FileNotFoundError):  # another process has removed it
        remove(folder)
    return False


def remove(folder: Path) -> None:
    """Remove a folder or file of the cache; another process sees the whole folder or none.

    Examples:
        >>> remove(cached("words/v2", Path.touch))
    """
    release(_held.pop(folder, None))
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
        return
    away = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    folder.replace(away)
    shutil.rmtree(away)


def _hold(folder: Path) -> bool:
    """Protect a folder from removal until this process ends or uses many others; False if there is no such folder."""
    if folder not in _held or not folder.is_dir():
        try:
            handle = lock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # missing, or being removed
            return False
        if not folder.is_dir():
            release(handle)
            return False
        release(_held.pop(folder, None))
        _held[folder] = handle
        while len(_held) > _MAX_HELD:
            release(_held.pop(next(iter(_held))))
    mark_used(folder)
    return True


def mark_used(folder: Path) -> None:
    """Set the date by which ``ir-eval cache`` knows when a folder was last used.

    Examples:
        >>> mark_used(cached("words/v3", Path.touch))
    """
    with suppress(OSError):  # another user's folder
        os.utime(folder)


@contextmanager
def _explain_failure(path: Path) -> Iterator[None]:
    """Turn an OSError into an InputError that names the path and the variable to set."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); {_REMEDY}") from error
