"""A model as a directory that the stock sentence-transformers class loads, without this package."""

import shutil
import tempfile
from pathlib import Path

from gemma_st.errors import ModelError
from gemma_st.models import locate

TRAINING = ("checkpoints", "student")  # what training leaves beside a model


def export(name: str, directory: str | Path) -> Path:
    """Write a packaged or local model out.

    Args:
        name: A packaged model or a directory.
        directory: Where to; it appears whole or not at all.

    Raises:
        ModelError: There is no such model here, or the directory exists and is not empty.
    """
    source, target = Path(locate(name)).resolve(), Path(directory).resolve()
    if not (source / "modules.json").is_file():
        raise ModelError(f"model {name!r}: no modules.json in {source}; expected a packaged model or a saved one")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ModelError(f"{target}: exists already; expected a new or empty directory")
    if target.is_relative_to(source):
        raise ModelError(f"{target}: lies within the model itself; expected a directory outside of it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        copy = Path(temporary) / "model"
        # copyfile: a packaged model may be read-only, or its owner's alone
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*TRAINING), copy_function=shutil.copyfile)
        copy.replace(target)
    return target
