"""Files and folders that appear under their name only once they are complete, and the digest of a file."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes (64 hex digits), read as a stream.

    Examples:
        >>> digest(Path("qrels.txt"))[:8]
        'd426bfd4'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary_sibling(path: Path) -> Path:
    """Return an unused path in the same folder, which is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
