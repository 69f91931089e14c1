"""Tests of ir_eval.retrieval.neighbours: exact search, and the recall of approximate indexes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ir_eval.errors import InputError
from ir_eval.retrieval.neighbours import _probes, nearest, open_index

Matrix = NDArray[np.float32]
APPROXIMATE = ["ivf", "hnsw", "ivf-pq"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))


def normal(rows: int, seed: int) -> Matrix:
    """Draw unit vectors around 50 centres."""
    centres = np.random.default_rng(0).standard_normal((50, 32), dtype=np.float32)
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(50, size=rows)] + random.standard_normal((rows, 32), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


MATRIX, QUERIES = normal(10_000, 1), normal(40, 2)


def recall(kind: str, k: int) -> float:
    """Return the share of the exact neighbours that an approximate index finds."""
    exact = nearest(QUERIES, MATRIX, None, k)[1]
    found = nearest(QUERIES, MATRIX, open_index(kind, MATRIX, "key"), k)[1]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(exact.tolist(), found.tolist(), strict=True)]))


@pytest.mark.parametrize("k", [1, 10, 1000, 10_000, 12_000])
def test_flat_is_a_sorted_matrix_product(k: int) -> None:
    """Scores and rows are right for every k; a k above N gives all rows, each once."""
    products = QUERIES @ MATRIX.T
    order = np.argsort(-products, axis=1)[:, :k]
    scores, rows = nearest(QUERIES, MATRIX, None, k)
    assert rows.shape == (40, min(k, 10_000))
    np.testing.assert_allclose(scores, np.take_along_axis(products, order, 1), atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(products, rows, 1), scores, atol=1e-6)
    assert all(len(set(row)) == len(row) for row in rows.tolist())


def test_ivf_that_looks_into_all_lists_is_flat() -> None:
    """As it does for a tenth of all documents."""
    index = open_index("ivf", MATRIX, "key")
    found, expected = nearest(QUERIES, MATRIX, index, 1000), nearest(QUERIES, MATRIX, None, 1000)
    assert index.nprobe == index.nlist == 256  # 10,000 / 39, below 4 √10,000
    for values, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, exact, atol=1e-6)


def test_how_many_lists_ivf_looks_into() -> None:
    """A sixteenth, or as many as hold ten times k documents, from one to all."""
    assert [_probes(256, 10_000, k) for k in (1, 100, 400, 1000, 9999)] == [16, 26, 103, 256, 256]
    assert _probes(11_894, 8_841_823, 1000) == 743
    assert _probes(1, 5, 1) == 1


def test_approximate_indexes_find_nearly_the_same() -> None:
    """HNSW and IVF have a high recall at every depth; product quantisation is coarse."""
    for k in (10, 100, 1000):
        assert recall("hnsw", k) > 0.97
        assert recall("ivf", k) > 0.9
    assert 0.3 < recall("ivf-pq", 10) < recall("ivf", 10)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_an_index_is_built_once_and_the_same_every_time(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds give the same bytes, with several threads too, and a cached index is not built again."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        for name in ("cache", "another"):
            monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / name))
            open_index(kind, MATRIX, "key")
    finally:
        assert faiss.omp_get_max_threads() == 2
        faiss.omp_set_num_threads(threads)
    first, second = tmp_path.rglob("index.faiss")
    assert first.read_bytes() == second.read_bytes()
    before = second.stat().st_mtime_ns
    open_index(kind, MATRIX, "key")
    assert second.stat().st_mtime_ns == before


@pytest.mark.parametrize("rows", [1, 5, 60])
def test_few_documents(rows: int) -> None:
    """An index of few documents finds them all; ivf-pq cannot be trained on them."""
    for kind in ("ivf", "hnsw"):
        found = nearest(QUERIES, MATRIX[:rows], open_index(kind, MATRIX[:rows], "key"), 100)[1]
        assert [sorted(row) for row in found.tolist()] == [list(range(rows))] * 40
    with pytest.raises(InputError, match=f"ivf-pq of {rows} documents; expected at least 9984; use flat"):
        open_index("ivf-pq", MATRIX[:rows], "key")
