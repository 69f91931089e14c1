"""Full disks and damaged files: nothing broken is kept or trusted, and everything works once there is room."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ir_eval.cache import remembered
from ir_eval.collections import Collection, open_collection, python_docs
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.leaderboard import Submission, write_submission
from ir_eval.retrieval import jvm
from ir_eval.retrieval.bm25 import BM25
from ir_eval.retrieval.neighbours import open_index
from ir_eval.retrieval.vectors import Matrix, encoded


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cranfield(data: Path) -> Collection:
    """1,400 documents, whose index takes 300 kB."""
    return open_collection(str(data / "beir" / "cranfield"))


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file of this process, Java included, grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[None]:
    """Mount a file system of this size, which root may do."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


@pytest.mark.parametrize("room", [1, 16_384])
def test_no_broken_index_is_left(cranfield: Collection, cache: Path, room: int) -> None:
    """Anserini prints the failure and goes on; the index is opened before it gets its name."""
    jvm.start()
    with full_disk(room), pytest.raises(InputError, match="cannot be written .File too large.; .* or free space$"):
        _ = BM25(cranfield).index_path
    assert not [path for path in cache.rglob("*lucene*")]
    assert len(BM25(cranfield).search(cranfield.topics)) == 225


def test_no_broken_index_is_left_on_a_small_disk(cranfield: Collection, cache: Path) -> None:
    """The same on a real file system without room."""
    with small_disk(cache, 100):
        with pytest.raises(InputError, match="cannot be written .No space left on device.; .* or free space$"):
            BM25(cranfield).search(cranfield.topics)
        assert not [path for path in cache.rglob("*lucene*")]


def test_a_damaged_index_is_built_again(cranfield: Collection, capfd: pytest.CaptureFixture[str]) -> None:
    """As an earlier version left it after a full disk, and with any one file gone or cut short."""
    topics = {"q": "flow of heat"}
    expected = BM25(cranfield).search(topics, 10)
    index = BM25(cranfield).index_path
    names = sorted(path.name for path in index.iterdir() if path.suffix not in (".txt", ".lock"))
    for number, path in enumerate(index / name for name in names):
        if number % 2:
            path.unlink()
        else:
            os.truncate(path, path.stat().st_size - 1)
        assert BM25(cranfield, k1=number / 100).search(topics, 10).name == "bm25"
        assert f"{index}: damaged (" in capfd.readouterr().err
    assert BM25(cranfield, threads=1).search(topics, 10) == expected


def test_a_run_that_is_cut_short_is_never_cached(cranfield: Collection, cache: Path) -> None:
    """Java's PrintWriter hides a full disk; after it, the search of the same topics ends well."""
    expected = BM25(cranfield).search(cranfield.topics)
    shutil.rmtree(cache / "runs")
    for room in (1, 50_000, 4_096 * 50):
        with full_disk(room), pytest.raises(InputError, match=r"cannot be written \(File too large\); .*TMPDIR"):
            BM25(cranfield).search(cranfield.topics)
        assert not (cache / "runs").exists()
    assert BM25(cranfield).search(cranfield.topics) == expected


def long_run() -> Run:
    """A run of 1,000 documents, whose submission takes 3 kB a file."""
    return Run.from_dict({"1": {str(doc * 7919): 1 / doc for doc in range(1, 1000)}})


def test_a_submission_is_whole_or_absent(tmp_path: Path) -> None:
    """Without room for the runs, and without room for the metadata alone; and it can be tried again."""
    for room, model in ((1, "it"), (1000, "it"), (6000, "it " * 3000)):
        with full_disk(room), pytest.raises(InputError, match=r"cannot be written \(File too large\)"):
            write_submission(Submission("20260131-x", "us", model), long_run(), long_run(), tmp_path / "out")
        assert list((tmp_path / "out").rglob("*")) == []
    write_submission(Submission("20260131-x", "us", "it"), long_run(), long_run(), tmp_path / "out")
    names = [path.name for path in (tmp_path / "out").rglob("*.*")]
    assert sorted(names) == ["20260131-x-metadata.json", "dev.txt.bz2", "eval.txt.bz2"]


def test_a_submission_on_a_small_disk(tmp_path: Path) -> None:
    """With room for one of its three files."""
    with small_disk(tmp_path / "disk", 8):
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            write_submission(Submission("20260131-x", "us", "it"), long_run(), long_run(), tmp_path / "disk" / "out")
        assert list((tmp_path / "disk" / "out").rglob("*")) == []


def test_vectors_and_scores(cache: Path, tmp_path: Path) -> None:
    """A cached file, an index of faiss and the vectors are whole, or absent, or go on where they stopped."""
    (tmp_path / "passages.tsv").write_text("".join(f"d{number}\ttext {number}\n" for number in range(3000)))
    (tmp_path / "queries.tsv").write_text("q\ttext\n")
    collection, calls = open_collection(str(tmp_path)), list[int]()

    def encode(texts: list[str]) -> Matrix:
        calls.append(len(texts))
        return np.array([[len(text), hash(text) % 97] for text in texts], dtype=np.float32)

    with full_disk(10_000), pytest.raises(InputError, match=r"cannot be written \(File too large\).*free space"):
        encoded(collection, "key", encode)
    vectors = encoded(collection, "key", encode).matrix
    assert calls == [1024, 1024, 1024, 952]
    for kind in ("hnsw", "ivf"):
        with full_disk(10_000), pytest.raises(InputError, match=r"cannot be written \(.*File too large\).*free space"):
            open_index(kind, vectors, "key")
        assert list((cache / "indexes").iterdir()) == []
        assert open_index(kind, vectors, "key").ntotal == 3000
        path = next((cache / "indexes").rglob("index.faiss"))
        for size in (path.stat().st_size - 1, 0):
            os.truncate(path, size)
            assert open_index(kind, vectors, "key").ntotal == 3000
        shutil.rmtree(cache / "indexes")
    with full_disk(10_000), pytest.raises(InputError, match=r"cannot be written \(File too large\).*free space"):
        remembered("scores/key", lambda: b"1" * 10_000)
    assert list((cache / "scores").iterdir()) == []


@pytest.mark.parametrize("damage", ["vectors.f32", "ids.txt", "progress.json"])
def test_damaged_vectors_are_encoded_again(cache: Path, tmp_path: Path, damage: str) -> None:
    """Cut short or empty, each file is noticed."""
    (tmp_path / "passages.tsv").write_text("".join(f"d{number}\ttext {number}\n" for number in range(30)))
    (tmp_path / "queries.tsv").write_text("q\ttext\n")
    collection = open_collection(str(tmp_path))

    def encode(texts: list[str]) -> Matrix:
        return np.array([[float(text.split()[1])] * 2 for text in texts], dtype=np.float32)

    for share in (0.5, 0):
        encoded(collection, "key", encode)
        path = next((cache / "vectors").rglob(damage))
        os.truncate(path, int(path.stat().st_size * share))
        found = encoded(collection, "key", encode)
        assert found.ids.tolist() == [f"d{number}" for number in range(30)]
        assert found.matrix[:, 0].tolist() == list(range(30))


def test_damaged_python_docs_are_built_again(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whole lines may be missing, and a file may be gone."""
    expected = open_collection("python-docs")
    folder = next((cache / "collections").iterdir())
    for path in [path for path in folder.rglob("*") if path.is_file() and path.name != "about.txt"]:
        content = path.read_bytes()
        path.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
        assert python_docs._fault(folder)
        path.unlink()
        assert python_docs._fault(folder)
        path.write_bytes(content)
        assert not python_docs._fault(folder)
    (folder / "corpus.jsonl").write_bytes(b"")
    found = open_collection("python-docs")
    assert (found.topics, found.qrels, found.fingerprint) == (expected.topics, expected.qrels, expected.fingerprint)
    assert "damaged (corpus.jsonl has changed); building it again" in capfd.readouterr().err
