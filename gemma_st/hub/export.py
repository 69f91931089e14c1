"""Export a model: a copy with a model card, ready for the hub and for the stock sentence-transformers class."""

import shutil
import tempfile
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.hub.card import Facts, write_card
from gemma_st.hub.saving import is_adapter, new_directory, open_model
from gemma_st.names import loading, locate

TRAINING_FOLDERS = ("checkpoints", "student", "base")  # written by training, not part of the model


def export(name: str, directory: str | Path, facts: Facts | None = None) -> Path:
    """Copy a packaged or local model, and write its card if it has none or if facts are given.

    The directory must be new or empty, and appears only when it is complete. A model with an unmerged adapter is
    refused.

    Examples:
        >>> export("reranker", "exported", Facts(license="gemma", training_data=("nq",))).name
        'exported'
    """
    source = Path(locate(name)).resolve()
    if not (source / "modules.json").is_file():
        raise ModelError(f"model {name!r}: no modules.json in {source}; expected a packaged model or a saved one")
    if is_adapter(source):
        raise ModelError(f"model {name!r}: its LoRA adapter is not merged; merge it first: gemma-st merge {name} NEW")
    target = new_directory(directory)
    if target.is_relative_to(source):
        raise ModelError(f"{target}: lies within the model itself; expected a directory outside the model's")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        copy = Path(temporary) / target.name
        # copyfile does not copy permissions: a packaged model may be read-only, or readable for its owner only.
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*TRAINING_FOLDERS), copy_function=shutil.copyfile)
        with loading(name):
            model = open_model(copy, device="cpu")
            if facts or not (copy / "README.md").exists():
                write_card(copy, model, facts or Facts())
        copy.replace(target)
    return target
