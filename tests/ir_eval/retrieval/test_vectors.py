"""vectors: encoded once, whatever interrupts it, and mapped from one file."""

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
    """Some documents."""

    count: int

    @property
    def fingerprint(self) -> str:
        """Nobody looks."""
        return ""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield them; an id may hold what Python takes for a line's end."""
        yield from ((f"d\u2028{number}", f"text {number}") for number in range(self.count))

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Know none."""
        return {}


def collection(count: int) -> Collection:
    """Return a collection of as many documents."""
    return Collection("numbered", None, {}, None, Numbered(count))


def digests(texts: list[str]) -> NDArray[np.float32]:
    """Encode a text by its hash, and by how many are beside it."""
    rows = [[*hashlib.sha256(text.encode()).digest()[:5], len(texts)] for text in texts]
    return np.array(rows, dtype=np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test, and batches of eight documents."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vectors, "DOCUMENTS_AT_ONCE", 8)
    return tmp_path / "cache"


def refuse(texts: list[str]) -> NDArray[np.float32]:
    """Be asked for nothing."""
    raise AssertionError(texts)


@pytest.mark.parametrize("count", [1, 8, 30])
def test_a_vector_a_document_in_their_order(count: int) -> None:
    """Read from disk when used, and not encoded again."""
    found = encoded(collection(count), "key", digests)
    assert found.ids.tolist() == [doc_id for doc_id, _ in Numbered(count)]
    texts = [text for _, text in Numbered(count)]
    np.testing.assert_array_equal(found.matrix[:, :5], digests(texts)[:, :5])
    assert isinstance(found.matrix, np.memmap)
    assert not found.matrix.flags.writeable
    again = encoded(collection(count), "key", refuse)
    np.testing.assert_array_equal(again.matrix, found.matrix)
    with pytest.raises(AssertionError, match="text 0"):
        encoded(collection(count), "another", refuse)


KILLED = """
import os, signal, sys
from ir_eval.retrieval import vectors
from tests.ir_eval.retrieval.test_vectors import collection, digests
vectors.DOCUMENTS_AT_ONCE = 8
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
def test_a_killed_encoding_goes_on(moment: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever moment: the two batches before are not encoded again, and the bytes are those of one attempt."""
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
    """One line each."""
    with pytest.raises(InputError, match="numbered: no documents; expected at least one"):
        encoded(collection(0), "key", digests)
    (tmp_path / "file").touch()
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written .*; expected room for a vector a document; set IR_EVAL"):
        encoded(collection(3), "key", digests)
