"""The cache: built collections, indexes and scores, stored under keys of the content that they were built from."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gemma_st.files import atomic_directory, atomic_path, digest
from ir_eval.errors import InputError

file_key = digest  # the SHA-256 of a file's bytes

_CHECKSUM_BYTES = 32  # a SHA-256 before the content of each cached file


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


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; build it first if it does not exist.

    Args:
        name: Path in the cache; contains a key of everything that the content of the folder depends on.
        build: Fills an empty folder. If it fails or is interrupted, the folder is removed.

    Examples:
        >>> folder = cached("words/v1", lambda folder: (folder / "words.txt").touch())
        >>> [path.name for path in folder.iterdir()]
        ['words.txt']
    """
    folder = cache_dir() / name
    if not folder.is_dir():
        with _explain_failure(folder), atomic_directory(folder) as temporary:
            build(temporary)
    return folder


def remembered(name: str, compute: Callable[[], bytes]) -> bytes:
    """Return the bytes of a cached file; compute and write them first if the file does not exist or is damaged.

    Args:
        name: Path in the cache; contains a key of everything that the bytes depend on.
        compute: Returns the bytes. If it fails or is interrupted, nothing is written.

    Examples:
        >>> remembered("scores/v1", lambda: b"0.5"), remembered("scores/v1", lambda: b"never called")
        (b'0.5', b'0.5')
    """
    path = cache_dir() / name
    with suppress(OSError):
        with path.open("rb") as file:
            checksum, data = file.read(_CHECKSUM_BYTES), file.read()
        if hashlib.sha256(data).digest() == checksum:
            return data
    data = compute()
    with _explain_failure(path), atomic_path(path) as temporary:
        temporary.write_bytes(hashlib.sha256(data).digest() + data)
    return data


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


@contextmanager
def _explain_failure(path: Path) -> Iterator[None]:
    """Turn an OSError into an InputError that names the path and the variable to set."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); expected a writable folder with room for the cache; "
            "set IR_EVAL_CACHE to another folder"
        ) from error
