"""Encode all documents into one file of the cache, which is mapped into memory. An interrupted encoding resumes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemma_st.files import atomic_path
from ir_eval.cache import ABOUT_FILENAME, cache_dir, mark_used, remove, writing
from ir_eval.collections import Collection
from ir_eval.data.columns import Strings
from ir_eval.errors import InputError
from ir_eval.progress import announce, progress_bar
from ir_eval.retrieval.retriever import batches

Matrix = NDArray[np.float32]

# Encoded and saved together. The model sorts the texts of a batch by length; an interruption loses at most one batch.
DOCUMENTS_PER_BATCH = 1024


class Vectors(NamedTuple):
    """The vectors of a collection's documents.

    Attributes:
        ids: Document ids in the order of the collection, (N,).
        matrix: Vectors mapped from the file: a row is read from disk when it is used, (N, D).

    Examples:
        >>> Vectors(np.array(["d1"]), np.ones((1, 2), dtype=np.float32)).matrix.shape
        (1, 2)
    """

    ids: Strings
    matrix: Matrix


def encoded(
    collection: Collection, key: str, encode: Callable[[list[str]], Matrix], *, about: str = "vectors"
) -> Vectors:
    """Return the vectors of a collection, and encode those that are not in the cache yet.

    The batches are the same with and without interruptions, and so are the vectors. Two processes may encode at the
    same time: both write the same bytes to the same places.

    Args:
        collection: Documents to encode.
        key: Content key of documents and model.
        encode: Function from texts to vectors, (texts,) -> (texts, D).
        about: What the vectors are, for ``ir-eval cache``.

    Raises:
        InputError: A document cannot be read, there is no document, or the cache is not writable.

    Examples:
        >>> from ir_eval import open_collection
        >>> lengths = lambda texts: np.array([[len(text)] for text in texts], dtype=np.float32)
        >>> encoded(open_collection("collection"), "lengths", lengths).matrix[:2].tolist()
        [[35.0], [16.0]]
    """
    folder = cache_dir() / "vectors" / key[:32]
    try:
        if fault := _fault(folder):
            announce(f"{folder}: damaged ({fault}); encoding again")
            with writing(folder):
                remove(folder)
        if not (folder / "ids.txt").exists():  # written last
            with writing(folder):
                _encode(collection, folder, encode)
                (folder / ABOUT_FILENAME).write_text(about, encoding="utf-8")
            if fault := _fault(folder):
                raise OSError(0, fault)
        mark_used(folder)
        ids = (folder / "ids.txt").read_text(encoding="utf-8").split("\n")
        shape = len(ids), _progress(folder)["dimension"]
        matrix = np.memmap(folder / "vectors.f32", np.float32, mode="r", shape=shape)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); expected room for one vector per document; "
            "set IR_EVAL_CACHE to another folder, or free space"
        ) from error
    return Vectors(np.array(ids, dtype=np.dtypes.StringDType()), matrix)


def _fault(folder: Path) -> str:
    """Return in what the files of a folder, which may be missing or unfinished, contradict each other, or ""."""
    if not folder.is_dir():
        return ""
    try:
        progress = _progress(folder)
        rows, dimension = int(progress["rows"]), int(progress["dimension"])
        size = (folder / "vectors.f32").stat().st_size if rows else 0
        finished = (folder / "ids.txt").exists()
        ids = (folder / "ids.txt").read_text(encoding="utf-8").count("\n") + 1 if finished else rows
    except (OSError, ValueError, LookupError, TypeError) as error:
        return " ".join(str(error).split())
    if size < 4 * rows * dimension or (finished and size != 4 * rows * dimension):
        return f"{size} bytes of vectors; expected {4 * rows * dimension}"
    return "" if ids == rows else f"{ids} ids for {rows} vectors"


def _encode(collection: Collection, folder: Path, encode: Callable[[list[str]], Matrix]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path, done, ids = folder / "vectors.f32", _progress(folder)["rows"], list[str]()
    path.touch()
    with path.open("r+b") as file, progress_bar() as bar:
        task = bar.add_task(f"encoding {collection.name}", total=None)
        for batch in batches(collection.documents(), DOCUMENTS_PER_BATCH):
            start = len(ids)
            ids += [doc_id for doc_id, _ in batch]
            if len(ids) > done:
                vectors = encode([text for _, text in batch])  # (batch, D)
                file.seek(start * vectors.strides[0])
                file.write(vectors.tobytes())
                file.flush()
                os.fsync(file.fileno())  # the vectors must be on disk before the progress file counts them
                if len(ids) > _progress(folder)["rows"]:  # another process may be ahead
                    with atomic_path(folder / "progress.json") as temporary:
                        temporary.write_text(json.dumps({"rows": len(ids), "dimension": vectors.shape[1]}))
            bar.advance(task, len(batch))
    with atomic_path(folder / "ids.txt") as temporary:
        temporary.write_text("\n".join(ids), encoding="utf-8", newline="\n")


def _progress(folder: Path) -> dict[str, int]:
    """Return the number of rows that are safely on disk, and their dimension."""
    try:
        progress: dict[str, int] = json.loads((folder / "progress.json").read_bytes())
    except FileNotFoundError:
        return {"rows": 0, "dimension": 0}
    return progress
