"""Tests of ir_eval.retrieval.vectors: documents are encoded once, and an interrupted encoding resumes."""

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.retrieval import vectors
from ir_eval.retrieval.vectors import encoded


@dataclass(frozen=True)
class Numbered:
    """A given number of documents."""

    count: int

    @property
    def fingerprint(self) -> str:
        """Return no key; these tests pass their own."""
        return ""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the documents; the ids hold a character that Python treats as a line end."""
        yield from ((f"d\u2028{number}", f"text {number}") for number in range(self.count))

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return no text."""
        return {}


def collection(count: int) -> Collection:
    """Return a collection with this number of documents."""
    return Collection("numbered", None, {}, None, Numbered(count))


def digests(texts: list[str]) -> NDArray[np.float32]:
    """Encode a text by its hash and the size of its batch."""
    rows = [[*hashlib.sha256(text.encode()).digest()[:5], len(texts)] for text in texts]
    return np.array(rows, dtype=np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test, and batches of eight documents."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vectors, "DOCUMENTS_PER_BATCH", 8)
    return tmp_path / "cache"


def refuse(texts: list[str]) -> NDArray[np.float32]:
    """Fail the test."""
    pytest.fail(f"must not be encoded again: {texts}")


@pytest.mark.parametrize("count", [1, 8, 30])
def test_one_vector_per_document_in_order(count: int) -> None:
    """The matrix is mapped read-only from disk, and the same key does not encode again."""
    found = encoded(collection(count), "key", digests)
    assert found.ids.tolist() == [doc_id for doc_id, _ in Numbered(count)]
    texts = [text for _, text in Numbered(count)]
    np.testing.assert_array_equal(found.matrix[:, :5], digests(texts)[:, :5])
    assert isinstance(found.matrix, np.memmap)
    assert not found.matrix.flags.writeable
    again = encoded(collection(count), "key", refuse)
    np.testing.assert_array_equal(again.matrix, found.matrix)
    with pytest.raises(pytest.fail.Exception, match="text 0"):
        encoded(collection(count), "another", refuse)


KILLED = """
import os, signal, sys
from ir_eval.retrieval import vectors
from tests.ir_eval.retrieval.test_vectors import collection, digests
vectors.DOCUMENTS_PER_BATCH = 8
moment, calls = sys.argv[1], []
def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
def encode(texts):
    calls.append(texts)
    if len(calls) == 3:
        if moment == "encoding":
            kill()
        if moment == "writing":
            vectors.os.fsync = kill
        if moment == "marking":
            vectors.json.dumps = kill
    return digests(texts)
vectors.encoded(collection(30), "key", encode)
"""


@pytest.mark.parametrize("moment", ["encoding", "writing", "marking"])
def test_a_killed_encoding_resumes(moment: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment, it keeps the two complete batches, and ends with the bytes of an uninterrupted encoding."""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", KILLED, moment], cwd=root).returncode == -signal.SIGKILL
    sizes = list[int]()

    def encode(texts: list[str]) -> NDArray[np.float32]:
        sizes.append(len(texts))
        return digests(texts)

    encoded(collection(30), "key", encode)
    assert sizes == [8, 6]
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "whole"))
    encoded(collection(30), "key", digests)
    for name in ("vectors.f32", "ids.txt", "progress.json"):
        first, second = (next(folder.rglob(name)).read_bytes() for folder in (cache, tmp_path / "whole"))
        assert first == second
    assert len(next(cache.rglob("vectors.f32")).read_bytes()) == 30 * 6 * 4


def test_no_documents_and_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an error of one line."""
    with pytest.raises(InputError, match="numbered: no documents; expected at least one"):
        encoded(collection(0), "key", digests)
    (tmp_path / "file").touch()
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written .*; expected room for one vector per document; set IR"):
        encoded(collection(3), "key", digests)
