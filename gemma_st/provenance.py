"""The commit of the code that made a result."""

from pathlib import Path


def commit() -> str | None:
    """Return the commit of the checkout, read from ``.git``; None if the package is not installed from a checkout.

    Examples:
        >>> commit() is None or len(commit()) == 40
        True
    """
    git = Path(__file__).parents[1] / ".git"
    if git.is_file():  # in a worktree, .git is a file that names the folder
        git = (git.parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
    head = git / "HEAD"
    if not head.is_file():
        return None
    reference = head.read_text().strip()
    name = reference.removeprefix("ref: ")
    if name == reference:
        return reference
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.is_file() else git
    if (shared / name).is_file():
        return (shared / name).read_text().strip()
    packed = shared / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)
