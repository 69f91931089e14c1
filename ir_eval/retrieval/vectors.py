"""Vectors of all documents in one file of the cache, which is mapped into memory; an interrupted encoding goes on."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.cache import cache_dir
from ir_eval.collections import Collection
from ir_eval.data.files import atomic_path
from ir_eval.data.table import Strings
from ir_eval.errors import InputError
from ir_eval.progress import progress_bar
from ir_eval.retrieval.search_batches import batches

Matrix = NDArray[np.float32]

DOCUMENTS_AT_ONCE = 1024  # encoded and kept together: after these the bar moves; a model sorts them by length


class Vectors(NamedTuple):
    """The documents of a collection as a model sees them.

    Attributes:
        ids: In the collection's order. (N,)
        matrix: Mapped from the file: its rows are read from disk when they are used. (N, D)
    """

    ids: Strings
    matrix: Matrix


def encoded(collection: Collection, key: str, encode: Callable[[list[str]], Matrix]) -> Vectors:
    """Return the vectors of a collection, encoded first as far as they are not in the cache.

    Documents are encoded in the same batches whenever it was interrupted, so the vectors are the same. Two processes
    may encode at once: they write the same to the same places.

    Args:
        collection: The documents.
        key: Of all that decides the vectors.
        encode: Gives a vector each, (texts,) to (texts, D).

    Raises:
        InputError: A document cannot be read, there is none, or the cache cannot be written.
    """
    folder = cache_dir() / "vectors" / key[:32]
    try:
        if not (folder / "ids.txt").exists():  # written last
            _encode(collection, folder, encode)
        ids = (folder / "ids.txt").read_text(encoding="utf-8").split("\n")
        shape = len(ids), _progress(folder)["dimension"]
        matrix = np.memmap(folder / "vectors.f32", np.float32, mode="r", shape=shape)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); expected room for a vector a document; "
            "set IR_EVAL_CACHE to another folder"
        ) from error
    return Vectors(np.array(ids, dtype=np.dtypes.StringDType()), matrix)


def _encode(collection: Collection, folder: Path, encode: Callable[[list[str]], Matrix]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path, done, ids = folder / "vectors.f32", _progress(folder)["rows"], list[str]()
    path.touch()
    with path.open("r+b") as file, progress_bar() as bar:
        task = bar.add_task(f"encoding {collection.name}", total=None)
        for batch in batches(collection.documents(), DOCUMENTS_AT_ONCE):
            start = len(ids)
            ids += [doc_id for doc_id, _ in batch]
            if len(ids) > done:
                vectors = encode([text for _, text in batch])  # (batch, D)
                file.seek(start * vectors.strides[0])
                file.write(vectors.tobytes())
                file.flush()
                os.fsync(file.fileno())
                with atomic_path(folder / "progress.json") as temporary:
                    temporary.write_text(json.dumps({"rows": len(ids), "dimension": vectors.shape[1]}))
            bar.advance(task, len(batch))
    with atomic_path(folder / "ids.txt") as temporary:
        temporary.write_text("\n".join(ids), encoding="utf-8", newline="\n")


def _progress(folder: Path) -> dict[str, int]:
    """Return how many rows are in the file for good, and how long they are."""
    try:
        progress: dict[str, int] = json.loads((folder / "progress.json").read_bytes())
    except FileNotFoundError:
        return {"rows": 0, "dimension": 0}
    return progress
