"""Nearest vectors by inner product with faiss (Douze et al. 2024): exactly, or by an index that looks at fewer."""

import math
from collections.abc import Callable
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

ROWS_AT_ONCE = 50_000  # added to an index between two moves of the bar

TRAINING = 39  # vectors that faiss wants for each centroid it trains, or it warns
CODES = 256  # centroids of a part of a vector: one byte
LOOKED_AT = 10  # times k: as many documents IVF looks at, at least
LINKS = 32  # of a vector in HNSW: what its authors use for vectors of hundreds of dimensions


def _ivf(rows: int) -> str:
    """Return the lists of IVF: 4·√N as faiss advises, fewer where there are too few vectors to train them."""
    return f"IVF{max(1, min(round(4 * math.sqrt(rows)), rows // TRAINING))}"


def _parts(dimension: int) -> int:
    """Return how many bytes stand for a vector: about one for 8 dimensions, and they must be equal parts."""
    return max(parts for parts in range(1, max(1, dimension // 8) + 1) if dimension % parts == 0)


# By kind: faiss's own description of an index of N vectors of D dimensions.
FACTORIES: dict[str, Callable[[int, int], str]] = {
    "ivf": lambda rows, _: f"{_ivf(rows)},Flat",
    "hnsw": lambda *_: f"HNSW{LINKS},Flat",
    "ivf-pq": lambda rows, dimension: (
        f"{_ivf(rows)},PQ{_parts(dimension)}x8np"
    ),  # np: no polysemous training, which is slow and of no use here
}


def probes(lists: int, rows: int, k: int) -> int:
    """Return how many lists IVF looks into: a sixteenth, and more where these would hold few documents for ``k``."""
    return min(lists, max(1, lists // 16, math.ceil(LOOKED_AT * k * lists / rows)))


def index_key(kind: str) -> str:
    """Return a key of all that decides what an index finds in given vectors: faiss, and what this file says of it."""
    return content_key(version("faiss-cpu"), kind, None if kind == "flat" else file_key(Path(__file__)))


def open_index(kind: str, matrix: Matrix, key: str) -> "faiss.Index":
    """Return an index of the vectors, built first if it is not in the cache. Every choice of faiss is reproducible.

    Args:
        kind: ``ivf``, ``hnsw`` or ``ivf-pq``.
        matrix: The vectors. (N, D)
        key: Of their content.

    Raises:
        InputError: There are too few vectors for ``ivf-pq``, or the cache cannot be written.
    """
    import faiss

    name = content_key("faiss", index_key(kind), key)[:32]
    folder = cached(f"indexes/faiss-{name}", lambda new: _build(kind, matrix, new / "index.faiss"))
    return faiss.read_index(str(folder / "index.faiss"))


def _build(kind: str, matrix: Matrix, path: Path) -> None:
    import faiss

    rows, dimension = matrix.shape
    if kind == "ivf-pq" and rows < TRAINING * CODES:
        raise InputError(f"an index ivf-pq of {rows} documents; expected at least {TRAINING * CODES}; use flat")
    index = faiss.index_factory(dimension, FACTORIES[kind](rows, dimension), faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efConstruction = 128
        faiss.omp_set_num_threads(1)  # several link vectors as they come: another graph every time (faiss #983)
    try:
        index.train(matrix)  # its k-means has a fixed seed
        with progress_bar() as bar:
            task = bar.add_task(f"indexing {kind}", total=rows)
            for start in range(0, rows, ROWS_AT_ONCE):
                part = matrix[start : start + ROWS_AT_ONCE]
                index.add(part)
                bar.advance(task, len(part))
    finally:
        faiss.omp_set_num_threads(threads)
    faiss.write_index(index, str(path))


def nearest(queries: Matrix, matrix: Matrix, index: "faiss.Index | None", k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the inner products of the ``k`` nearest vectors and their rows, each (Q, at most k).

    An index that finds fewer gives row -1 in their place.

    Args:
        queries: (Q, D)
        matrix: (N, D)
        index: Of the matrix, or None to look at every vector.
        k: How many.
    """
    import faiss

    k = min(k, len(matrix))
    if index is None:
        scores, rows = faiss.knn(queries, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        if isinstance(index, faiss.IndexHNSW):
            index.hnsw.efSearch = max(128, 2 * k)  # it can find no more than this
        elif isinstance(index, faiss.IndexIVF):
            index.nprobe = probes(index.nlist, len(matrix), k)
        scores, rows = index.search(queries, k)
    return scores, rows
