"""Save a model, atomically and optionally with narrower weights, and load it again."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.modeling.saved_json import check_json, read_json

if TYPE_CHECKING:
    from gemma_st.base import Encoder
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

STORAGE = ("float32", "bfloat16", "float8_e4m3fn")


def save(model: "Encoder", directory: str | Path, *, storage: str = "float32", exact: tuple[str, ...] = ()) -> Path:
    """Save a model in the format that stock sentence-transformers loads, and return its directory.

    Args:
        model: The model to save.
        directory: Where to save. A model that is there is replaced as a whole or not at all; its other files stay.
        storage: Dtype of the backbone's weights on disk; the model is loaded in float32 all the same. The head is
            always stored in float32; with float8, so are one-dimensional weights.
        exact: Prefixes of the names of weights to store in float32.

    Raises:
        ModelError: A weight is beyond the range of the storage dtype.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> save(CrossEncoder("reranker"), "smaller", storage="bfloat16").name
        'smaller'
    """
    if storage not in STORAGE:
        raise ModelError(f"storage={storage!r} is not known; use one of {', '.join(STORAGE)}")
    target = Path(directory).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        fresh = Path(temporary) / "model"
        model.save_pretrained(str(fresh), create_model_card=False)
        if storage != "float32":
            _narrow(fresh / "model.safetensors", storage, exact)
        for weights in fresh.rglob("*.safetensors"):
            weights.chmod(0o644)  # safetensors makes its files readable for their owner only
        _replace(target, fresh)
    return target


def open_model(
    directory: str | Path, *, device: str | None = None, model_kwargs: Mapping[str, Any] | None = None
) -> "CrossEncoder | SentenceTransformer":
    """Load a saved model as the class it was saved from, a `CrossEncoder` or a `SentenceTransformer`.

    Without a device the fastest one is used. ``model_kwargs`` are passed to transformers: ``{"dtype": "float32"}``.

    Examples:
        >>> type(open_model("reranker", device="cpu")).__name__
        'CrossEncoder'
    """
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

    path = Path(directory) / "config_sentence_transformers.json"
    saved = str(check_json(path, read_json(path), "settings").get("model_type"))
    classes: dict[str, type[CrossEncoder | SentenceTransformer]]
    classes = {kind.__name__: kind for kind in (CrossEncoder, SentenceTransformer)}
    if saved not in classes:
        raise ModelError(f"{path}: model_type={saved!r}; expected one of {', '.join(classes)}")
    return classes[saved](str(directory), device=device, model_kwargs=dict(model_kwargs or {}))


def is_adapter(directory: str | Path) -> bool:
    """Return whether a saved model has a LoRA adapter that is not merged into its backbone.

    Examples:
        >>> is_adapter("reranker")
        False
    """
    return (Path(directory) / "adapter_config.json").exists()


def new_directory(directory: str | Path) -> Path:
    """Return the absolute path of a directory to write to; raise `ModelError` if it exists and is not empty.

    Examples:
        >>> new_directory("exported").name
        'exported'
    """
    target = Path(directory).resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ModelError(f"{target}: exists already; expected a new or empty directory")
    return target


def finish_replacing(directory: str | Path) -> None:
    """Take over the files of a model that a process was killed while replacing; do nothing if there are none.

    Examples:
        >>> finish_replacing("reranker")
    """
    target = Path(directory).resolve()
    _move_missing(target.with_name(f".{target.name}.former"), target)


def _narrow(weights: Path, storage: str, exact: tuple[str, ...]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    dtype = getattr(torch, storage)
    narrow = {}
    for name, tensor in load_file(weights).items():
        kept = name.startswith(exact) or (dtype.itemsize == 1 and tensor.dim() < 2)
        narrow[name] = tensor if kept else tensor.to(dtype)
        if not kept and tensor.abs().max() > torch.finfo(dtype).max:  # the conversion would clip it
            raise ModelError(f"{name}: {float(tensor.abs().max()):g} is beyond {storage}; store it in bfloat16")
    save_file(narrow, weights, metadata={"format": "pt"})


def _replace(target: Path, fresh: Path) -> None:
    """Rename ``fresh`` to ``target``, and move the files that only the former model has into it.

    A process killed between the two renames leaves the former model as ``former``; the next call takes its files over.
    """
    former = target.with_name(f".{target.name}.former")
    if target.exists():
        _move_missing(former, target)
        target.rename(former)
    try:
        fresh.rename(target)
    except BaseException:
        if former.exists():
            former.rename(target)
        raise
    _move_missing(former, target)


def _move_missing(former: Path, target: Path) -> None:
    """Move the files that ``target`` does not have out of ``former``, and delete the rest of ``former``."""
    if former.exists():
        for part in former.iterdir():
            if not (target / part.name).exists():
                part.rename(target / part.name)
        shutil.rmtree(former)
