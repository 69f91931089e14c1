"""Nearest vectors by inner product with faiss (Douze et al. 2024), exactly or by an approximate index."""

import math
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ir_eval.cache import cached, content_key, file_key
from ir_eval.errors import InputError
from ir_eval.progress import progress_bar
from ir_eval.retrieval.vectors import Matrix

if TYPE_CHECKING:
    import faiss

VECTORS_PER_CALL = 50_000  # the progress bar moves between two calls of faiss

TRAINING_VECTORS = 39  # per centroid; faiss warns if there are fewer
CODES = 256  # centroids of each part of a vector in product quantisation, so that one byte names a centroid
OVERSAMPLING = 10  # IVF compares the query with at least 10 · k vectors
LINKS = 32  # neighbours per node of the HNSW graph, the authors' value for hundreds of dimensions


def index_key(kind: str) -> str:
    """Return a key of everything but the vectors that decides what an index finds: faiss, and the code of this file.

    Examples:
        >>> index_key("flat") == index_key("hnsw")
        False
    """
    return content_key(version("faiss-cpu"), kind, None if kind == "flat" else file_key(Path(__file__)))


def open_index(kind: str, matrix: Matrix, key: str, *, about: str = "") -> "faiss.Index":
    """Return an index of the vectors, built first unless it is in the cache. Building is deterministic.

    Args:
        kind: ``ivf``, ``hnsw`` or ``ivf-pq``.
        matrix: Vectors, (N, D).
        key: Content key of the vectors.
        about: What the vectors are, for ``ir-eval cache``.

    Raises:
        InputError: There are too few vectors for ``ivf-pq``, or the cache is not writable.

    Examples:
        >>> open_index("hnsw", np.eye(8, dtype=np.float32), "unit vectors").ntotal
        8
    """
    found: list[faiss.Index] = []  # by the check, so that a large file is read once

    name = content_key("faiss", index_key(kind), key)[:32]
    cached(
        f"indexes/faiss-{name}",
        lambda new: _build(kind, matrix, new / "index.faiss"),
        check=lambda folder: _read(folder / "index.faiss", matrix.shape, found),
        about=about or f"{kind} index of vectors",
    )
    return found[-1]


def _read(path: Path, expected: tuple[int, ...], found: "list[faiss.Index]") -> str:
    """Append the index of a file to a list, or return why it cannot be used."""
    import faiss

    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        return " ".join(str(error).split())[-120:]
    if (index.ntotal, index.d) != expected:
        return f"{index.ntotal} vectors of {index.d}; expected {' of '.join(map(str, expected))}"
    found.append(index)
    return ""


def _describe(kind: str, rows: int, dimension: int) -> str:
    """Return faiss's description of an index, for `faiss.index_factory`."""
    if kind == "hnsw":
        return f"HNSW{LINKS},Flat"
    # 4·√N lists, as faiss advises, or fewer if N is too small to train them
    lists = max(1, min(round(4 * math.sqrt(rows)), rows // TRAINING_VECTORS))
    if kind == "ivf":
        return f"IVF{lists},Flat"
    # bytes per vector: at most one per 8 dimensions, and a divisor of the dimension
    parts = max(parts for parts in range(1, max(1, dimension // 8) + 1) if dimension % parts == 0)
    return f"IVF{lists},PQ{parts}x8np"  # np: no polysemous training, which is slow and not used in our searches


def _build(kind: str, matrix: Matrix, path: Path) -> None:
    import faiss

    rows, dimension = matrix.shape
    least = TRAINING_VECTORS * CODES
    if kind == "ivf-pq" and rows < least:
        raise InputError(f"an index ivf-pq of {rows} documents; expected at least {least}; use flat")
    index = faiss.index_factory(dimension, _describe(kind, rows, dimension), faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efConstruction = 128
        faiss.omp_set_num_threads(1)  # with several threads the graph differs from build to build (faiss issue 983)
    try:
        index.train(matrix)  # k-means with a fixed seed
        with progress_bar() as bar:
            task = bar.add_task(f"indexing {kind}", total=rows)
            for start in range(0, rows, VECTORS_PER_CALL):
                part = matrix[start : start + VECTORS_PER_CALL]
                index.add(part)
                bar.advance(task, len(part))
    finally:
        faiss.omp_set_num_threads(threads)
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # faiss raises no OSError
        raise OSError(0, " ".join(str(error).split())[-120:]) from error


def _probes(lists: int, rows: int, k: int) -> int:
    """Return the number of IVF lists to search: a sixteenth, or more if these hold fewer than 10 · k vectors."""
    return min(lists, max(1, lists // 16, math.ceil(OVERSAMPLING * k * lists / rows)))


def nearest(queries: Matrix, matrix: Matrix, index: "faiss.Index | None", k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the inner products and the rows of the ``k`` nearest vectors, both (Q, min(k, N)), the nearest first.

    Where an approximate index finds fewer than ``k`` vectors, the row is -1.

    Args:
        queries: Query vectors, (Q, D).
        matrix: Document vectors, (N, D).
        index: Index of the document vectors, or None for an exact search.
        k: Number of neighbours.

    Examples:
        >>> vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
        >>> nearest(vectors[:1], vectors, None, 2)[1]
        array([[0, 2]])
    """
    import faiss

    k = min(k, len(matrix))
    if index is None:
        scores, rows = faiss.knn(queries, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
        return scores, rows
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efSearch = max(128, 2 * k)  # the search finds at most efSearch vectors
    elif isinstance(index, faiss.IndexIVF):
        index.nprobe = _probes(index.nlist, len(matrix), k)
    scores, rows = index.search(queries, k)
    return scores, rows
