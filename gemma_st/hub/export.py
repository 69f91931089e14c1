"""A model as a directory of its own with a card, ready for the hub and for the stock sentence-transformers class."""

import shutil
import tempfile
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.hub.adapters import is_adapter
from gemma_st.hub.card import Facts, write_card
from gemma_st.hub.saving import open_model
from gemma_st.names import locate

TRAINING = ("checkpoints", "student", "base")  # what training leaves beside a model


def export(name: str, directory: str | Path, facts: Facts | None = None) -> Path:
    """Write a packaged or local model out. Where it has no card, or facts for one are given, its card is written.

    Args:
        name: A packaged model or a directory.
        directory: Where to; it appears whole or not at all.
        facts: What the card says beyond what the model says of itself.

    Raises:
        ModelError: There is no such model here, it is an adapter, or the directory exists and is not empty.
    """
    source, target = Path(locate(name)).resolve(), Path(directory).resolve()
    if not (source / "modules.json").is_file():
        raise ModelError(f"model {name!r}: no modules.json in {source}; expected a packaged model or a saved one")
    if is_adapter(source):
        raise ModelError(f"model {name!r}: an adapter beside its backbone; fold it in first: gemma-st merge {name} NEW")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ModelError(f"{target}: exists already; expected a new or empty directory")
    if target.is_relative_to(source):
        raise ModelError(f"{target}: lies within the model itself; expected a directory outside of it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        copy = Path(temporary) / target.name
        # copyfile: a packaged model may be read-only, or its owner's alone
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*TRAINING), copy_function=shutil.copyfile)
        if facts or not (copy / "README.md").exists():
            write_card(copy, open_model(copy, device="cpu"), facts or Facts())
        copy.replace(target)
    return target
