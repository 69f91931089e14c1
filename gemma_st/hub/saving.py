"""Saving a model: whole or not at all, at half the size where its weights may be rounded; and opening it again."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.names import loading

if TYPE_CHECKING:
    from gemma_st.base import Encoder

STORAGE = ("float32", "bfloat16", "float8_e4m3fn")


def save(model: "Encoder", directory: str | Path, *, storage: str = "float32", exact: tuple[str, ...] = ()) -> Path:
    """Save a model in the form that stock sentence-transformers loads.

    Args:
        model: The model.
        directory: Where to; what a former model left there is replaced, other files stay.
        storage: Weight type of the backbone on disk. It is computed in float32 all the same: the configuration says
            so, and loading widens the weights. The head is always stored in float32, and so are vectors in float8.
        exact: Beginnings of the names of weights that are stored in float32 all the same.

    Raises:
        ModelError: The storage type is not known.
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
            weights.chmod(0o644)  # safetensors writes for its owner alone
        _replace(target, fresh)
    return target


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


def _narrow(weights: Path, storage: str, exact: tuple[str, ...]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    kind = getattr(torch, storage)
    narrow = {}
    for name, tensor in load_file(weights).items():
        kept = name.startswith(exact) or (kind.itemsize == 1 and tensor.dim() < 2)
        narrow[name] = tensor if kept else tensor.to(kind)
        if not kept and tensor.abs().max() > torch.finfo(kind).max:  # would be cut off there
            raise ModelError(f"{name}: {float(tensor.abs().max()):g} is beyond {storage}; store it in bfloat16")
    save_file(narrow, weights, metadata={"format": "pt"})


def _replace(target: Path, fresh: Path) -> None:
    """Give ``fresh`` the name of ``target``, with the files of ``target`` that ``fresh`` has none of.

    A killed process leaves the former model under its name, or for the moment between two renames under ``former``
    beside it, where the next call finds it; never half of each.
    """
    former = target.with_name(f".{target.name}.former")
    if target.exists():
        _hand_over(former, target)
        target.rename(former)
    try:
        fresh.rename(target)
    except BaseException:
        if former.exists():
            former.rename(target)
        raise
    _hand_over(former, target)


def _hand_over(former: Path, target: Path) -> None:
    if former.exists():
        for part in former.iterdir():
            if not (target / part.name).exists():
                part.rename(target / part.name)
        shutil.rmtree(former)
