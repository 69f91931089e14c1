"""Model names: a local directory wins, then a packaged model, then the hub."""

import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.encoder import Encoder

REASON = 500  # characters of a library's message that are passed on


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
    if str(name) and Path(name).is_dir():  # Path("") is the current directory
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


def open_model(directory: str | Path, **options: Any) -> "Encoder":
    """Load a saved model as what it was saved as, a cross-encoder or a bi-encoder.

    Args:
        directory: Where it was saved.
        **options: As for the class.

    Raises:
        ModelError: There is no saved model, or it cannot be loaded.
    """
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

    path = Path(directory) / "config_sentence_transformers.json"
    with loading(directory):
        kind = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    classes = {"CrossEncoder": CrossEncoder, "SentenceTransformer": SentenceTransformer}
    if kind not in classes:
        raise ModelError(f"{path}: model_type={kind!r}; expected one of {', '.join(classes)}")
    model: Encoder = classes[kind](str(directory), **options)
    return model


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
