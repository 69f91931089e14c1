"""Where what can be built again is kept, and the keys that name it by content."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ir_eval.data.files import atomic_directory, atomic_path
from ir_eval.errors import InputError

DIGEST = 32  # bytes of a SHA-256


def cache_dir() -> Path:
    """Return the folder of built collections and indexes; it may not exist yet.

    ``$IR_EVAL_CACHE`` if set, else ``ir_eval`` in ``$XDG_CACHE_HOME``, else ``~/.cache/ir_eval``.
    """
    if own := os.environ.get("IR_EVAL_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "ir_eval"


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, built first if it is not there.

    Args:
        name: Path in the cache; holds a key of everything that the content of the folder depends on.
        build: Fills an empty folder. When it fails or is interrupted nothing stays.

    Raises:
        InputError: The cache cannot be written.
    """
    folder = cache_dir() / name
    if not folder.is_dir():
        try:
            with atomic_directory(folder) as temporary:
                build(temporary)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); expected room for what is built once; "
                "set IR_EVAL_CACHE to another folder"
            ) from error
    return folder


def remembered(name: str, compute: Callable[[], bytes]) -> bytes:
    """Return the bytes of a file of the cache, computed and written first if it is not there as it was written.

    Args:
        name: Path in the cache; holds a key of everything that the bytes depend on.
        compute: Gives them. When it fails or is interrupted nothing stays.

    Raises:
        InputError: The cache cannot be written.
    """
    path = cache_dir() / name
    with suppress(OSError):
        with path.open("rb") as file:
            digest, data = file.read(DIGEST), file.read()
        if hashlib.sha256(data).digest() == digest:
            return data
    data = compute()
    with atomic_path(path) as temporary:
        temporary.write_bytes(hashlib.sha256(data).digest() + data)
    return data


def content_key(*parts: str | bytes | int | float | None) -> str:
    """Return one SHA-256 (64 hex digits) for a sequence of values.

    Each value is framed by its type and length, so that ``("ab", "c")`` and ``("a", "bc")``, or ``1`` and ``"1"``,
    get different keys.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(f"{type(part).__name__}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def file_key(path: Path) -> str:
    """Return the SHA-256 (64 hex digits) of a file's bytes, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
