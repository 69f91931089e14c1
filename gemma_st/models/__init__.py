"""Model names: a local directory wins, then a packaged model, then the hub."""

from importlib.resources import files
from pathlib import Path

from gemma_st.errors import ModelError


def packaged() -> dict[str, Path]:
    """Return name → directory of the models that come with this package."""
    root = Path(str(files(__package__)))
    return {path.parent.name: path.parent for path in sorted(root.glob("*/modules.json"))}


def locate(name: str | Path) -> str:
    """Return what to load under a model's name: a directory, or the hub id itself.

    Args:
        name: A local directory, a packaged model's name, or a hub id ``owner/model``.

    Raises:
        ModelError: It can be none of these.
    """
    if Path(name).is_dir():
        return str(name)
    if str(name) in packaged():
        return str(packaged()[str(name)])
    owner, _, model = str(name).partition("/")
    if not (owner and model) or "/" in model or owner.startswith((".", "~")):
        raise ModelError(
            f"model {str(name)!r}: no such directory or packaged model; expected a directory, "
            f"{' or '.join(packaged()) or 'a packaged name'}, or a hub id owner/model"
        )
    return str(name)
