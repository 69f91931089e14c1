"""The content of the cache: what each folder holds, its size, when it was last used; and its removal."""

import fcntl
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from time import time
from typing import NamedTuple

from ir_eval.cache import ABOUT_FILENAME, cache_dir, lock, release, remove

KINDS = ("collections", "indexes", "vectors", "runs", "scores", "judged")
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}(\..+)?")  # what gemma_st.files calls a file before it is complete
_DAY = 86400


class Entry(NamedTuple):
    """A folder of the cache, or a temporary one that a killed process left behind.

    Attributes:
        path: Its path.
        about: What it holds, in words.
        size: Bytes of its files.
        used: When it was last used, in seconds since 1970.
        leftover: Whether it is temporary.

    Examples:
        >>> from ir_eval.cache import remembered
        >>> _ = remembered("scores/model/v1", lambda: b"0.5", about="scores of a model")
        >>> [entry.about for entry in entries() if entry.path.name == "model"]
        ['scores of a model']
    """

    path: Path
    about: str
    size: int
    used: float
    leftover: bool = False

    @property
    def kind(self) -> str:
        """The folder of the cache in which it lies, such as ``indexes``."""
        return self.path.relative_to(cache_dir()).parts[0]


class Pruned(NamedTuple):
    """What `prune` removed, and what it would have removed but for a reason.

    Examples:
        >>> Pruned([], []).removed
        []
    """

    removed: list[Entry]
    kept: list[tuple[Entry, str]]


def entries() -> list[Entry]:
    """Return the content of the cache by kind; files of others in its folder are not looked at.

    Examples:
        >>> all(entry.size >= 0 for entry in entries())
        True
    """
    root = cache_dir()
    found = [_entry(path, leftover=True) for path in _children(root) if _LEFTOVER.fullmatch(path.name)]
    for kind in KINDS:
        inside = [path for path in _children(root / kind) if not _LEFTOVER.fullmatch(path.name)]
        whole = inside
        below = (inner for path in (root / kind, *inside) for inner in _children(path))
        leftovers = [path for path in below if _LEFTOVER.fullmatch(path.name)]
        if kind == "judged":  # one small file per collection
            whole = [root / kind] if whole else []
        found += [_entry(path) for path in whole] + [_entry(path, leftover=True) for path in leftovers]
    return found


def prune(*, older_than: float = 0, keep: Collection[str] = ()) -> Pruned:
    """Remove what the cache holds, but nothing that another process uses or is writing.

    Args:
        older_than: Remove only what was not used for so many days; leftovers of killed processes have no age.
        keep: Kinds that stay, of `KINDS`; their leftovers go.

    Examples:
        >>> prune(older_than=30, keep=["indexes"]).removed
        []
    """
    release()
    pruned, handles = Pruned([], []), dict[str, int | None]()
    try:
        for entry in entries():
            if entry.leftover or (entry.kind not in keep and time() - entry.used >= older_than * _DAY):
                if fault := _remove(entry, handles):
                    pruned.kept.append((entry, fault))
                else:
                    pruned.removed.append(entry)
    finally:
        release(*handles.values(), None)
    return pruned


def _remove(entry: Entry, handles: dict[str, int | None]) -> str:
    """Remove an entry, or return why it stays; the kind's folder is locked first, and remains so."""
    how, own = fcntl.LOCK_EX | fcntl.LOCK_NB, None
    try:
        if entry.kind not in handles:
            handles[entry.kind] = lock(cache_dir() / entry.kind, how)
        whole_kind = entry.path == cache_dir() / entry.kind
        own = handles[entry.kind] if whole_kind else lock(entry.path, how)
        if own is None and time() - entry.used < _DAY:
            return "used today, and its file system has no locks"
        remove(entry.path)
    except BlockingIOError:
        return "another process uses it"
    except OSError as error:
        return error.strerror or type(error).__name__
    finally:
        if own is not None and own not in handles.values():
            release(own)
    return ""


def _entry(path: Path, *, leftover: bool = False) -> Entry:
    size, used = 0, 0.0
    for file in (path, *(path.rglob("*") if not path.is_symlink() else ())):
        with suppress(FileNotFoundError):  # removed or renamed in the meantime
            stat = file.lstat()
            size += 0 if S_ISDIR(stat.st_mode) else stat.st_size
            used = stat.st_mtime if file == path else used
    kind = path.relative_to(cache_dir()).parts[0]
    about = path / ABOUT_FILENAME
    if leftover:
        text = f"{kind}: left by a killed process, or being written"
    elif about.is_file():
        text = about.read_text(encoding="utf-8", errors="replace")
    elif kind == "vectors" and not (path / "ids.txt").exists():
        text = "unfinished vectors, which the same run would go on with"
    else:
        text = "numbers of judged documents that are missing" if kind == "judged" else f"{kind} of an earlier version"
    return Entry(path, text, size, used, leftover)


def _children(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.iterdir()) if folder.is_dir() else ())
