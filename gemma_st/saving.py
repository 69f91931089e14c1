"""Saving a model: whole or not at all, and at half the size where its weights may be rounded."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder


def save(model: "CrossEncoder", directory: str | Path, *, storage: str = "float32") -> Path:
    """Save a model in the form that stock sentence-transformers loads.

    Args:
        model: The model.
        directory: Where to; what a former model left there is replaced, other files stay.
        storage: Weight type of the backbone on disk. It is computed in float32 all the same: the configuration says
            so, and loading widens the weights. The head is always stored in float32.
    """
    import torch
    from safetensors.torch import load_file, save_file

    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        model.save_pretrained(temporary, create_model_card=False)
        weights = Path(temporary) / "model.safetensors"
        if storage != "float32":
            narrow = {name: tensor.to(getattr(torch, storage)) for name, tensor in load_file(weights).items()}
            save_file(narrow, weights, metadata={"format": "pt"})
        for part in Path(temporary).iterdir():
            if part.is_dir():
                shutil.rmtree(target / part.name, ignore_errors=True)
            part.replace(target / part.name)
    return target
