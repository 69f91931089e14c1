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
        split: Name of the judgements if there are several: ``qrels/SPLIT.tsv``, MS MARCO's ``qrels.SPLIT.tsv``, or the
            end of an ir_datasets id.

    Raises:
        InputError: The collection does not exist, or one of its files is missing or malformed.

    Examples:
        >>> collection = open_collection("collection", split="test")
        >>> collection.topics
        {'q1': 'do goldfish grow', 'q2': 'what is python'}
    """
    if not isinstance(name, str) or not name:
        raise InputError(f"collection {name!r}; expected a folder, python-docs or an ir_datasets id; name one")
    try:
        folder = Path(name).expanduser()
        is_folder = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, or of an unknown user
        raise InputError(f"collection {name[:60]!r}: {getattr(error, 'strerror', None) or error}; check it") from None
    if is_folder:
        return open_folder(folder, split=split)
    if name.startswith((".", "~")) or folder.is_absolute() or folder.is_file() or folder.is_symlink():
        raise InputError(f"{name}: not a folder; expected one with corpus.jsonl or passages.tsv; check the path")
    if name == "python-docs":
        return open_python_docs(split=split)
    return open_ir_datasets(name, split=split)
