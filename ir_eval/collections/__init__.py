"""Test collections by name: a folder, the packaged ``python-docs``, or an ir_datasets id."""

from pathlib import Path

from ir_eval.collections.collection import Collection as Collection
from ir_eval.collections.folders import open_folder
from ir_eval.collections.irds import open_ir_datasets
from ir_eval.collections.python_docs import open_python_docs
from ir_eval.errors import InputError


def open_collection(name: str = "python-docs", *, split: str | None = None) -> Collection:
    """Open a test collection. Topics and judgements are read at once, documents when they are needed.

    Args:
        name: The first of these that exists: a folder, in BEIR's layout if it has ``corpus.jsonl``, else in TREC's with
            ``passages.tsv``; ``python-docs``, the packaged collection, which needs no network; an ir_datasets id.
        split: Name of the judgements if there are several: ``qrels/SPLIT.tsv``, or the end of an ir_datasets id.

    Raises:
        InputError: The collection does not exist, or one of its files is missing or malformed.

    Examples:
        >>> collection = open_collection("collection", split="test")
        >>> collection.topics
        {'q1': 'do goldfish grow', 'q2': 'what is python'}
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return open_folder(folder, split=split)
    if name.startswith((".", "~")) or folder.is_absolute() or folder.is_file():
        raise InputError(f"{name}: not a folder; expected one with corpus.jsonl or passages.tsv; check the path")
    if name == "python-docs":
        return open_python_docs(split=split)
    return open_ir_datasets(name, split=split)
