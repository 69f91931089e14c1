"""Tests of ir_eval.retrieval.lucene: existing indexes, in a folder or downloaded by Pyserini."""

import hashlib
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ir_eval.collections import Collection
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError
from ir_eval.retrieval import jvm
from ir_eval.retrieval.bm25 import BM25

TEXTS = {"empty": ""} | {
    f"d{number}": "red fox " * (number % 3 + 1) + "blue sky " * (number % 5) for number in range(20)
}


class Unread:
    """Documents that must not be read, because an index is given."""

    @property
    def fingerprint(self) -> str:
        """Fail the test."""
        pytest.fail("the fingerprint must not be computed")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Fail the test."""
        pytest.fail("the documents must not be read")

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Fail the test."""
        pytest.fail("the texts must not be read")


COLLECTION = Collection("elsewhere", None, {"q": "fox"}, Qrels.from_dict({"q": {"d1": 1}}), Unread())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of ours and of Pyserini for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYSERINI_CACHE", str(tmp_path / "pyserini"))


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three indexes built by Pyserini: ``vectors``, ``raw`` (with documents) and ``lean`` (neither)."""
    jvm.start()
    from pyserini.index.lucene import LuceneIndexer

    folder = tmp_path_factory.mktemp("indexes")
    for name, options in {"vectors": ["-storeDocvectors"], "raw": ["-storeRaw"], "lean": []}.items():
        with closing(LuceneIndexer(args=["-index", str(folder / name), *options], threads=1)) as indexer:
            for doc_id, text in TEXTS.items():
                indexer.add_doc_dict({"id": doc_id, "contents": text})
    return folder


def offer(index: Path, name: str, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pack an index, register it in Pyserini's table of prebuilt indexes, and return its entry."""
    from pyserini.prebuilt_index_info import TF_INDEX_INFO

    packed = folder / "lucene-inverted.tiny.abc.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(index, arcname="lucene-inverted.tiny.abc")
    row = {
        "filename": packed.name,
        "urls": [packed.as_uri()],
        "md5": hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest(),
        "size compressed (bytes)": packed.stat().st_size,
    }
    patch.setitem(TF_INDEX_INFO, name, row)
    return row


def test_a_given_folder_replaces_the_documents(indexes: Path, tmp_path: Path) -> None:
    """Its key depends on the content and not on the path; the documents are not read."""
    system = BM25(COLLECTION, index=str(indexes / "lean"))
    run = system.search({"q": "fox", "s": "sky"}, 30)
    assert {query_id: len(run[query_id][0]) for query_id in run} == {"q": 20, "s": 16}
    assert system.prepare() == indexes / "lean"
    moved = shutil.copytree(indexes / "lean", tmp_path / "moved")
    assert BM25(COLLECTION, index=str(moved)).key == system.key != BM25(COLLECTION, index=str(indexes / "raw")).key


def test_a_prebuilt_index_is_downloaded_once(
    indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pyserini downloads it into its own cache; one line announces the download, and nothing else is printed."""
    row = offer(indexes / "vectors", "tiny", tmp_path, monkeypatch)
    system = BM25(COLLECTION, index="tiny", feedback="rm3")
    key = system.key
    assert not (tmp_path / "pyserini").exists()
    run = system.search({"q": "fox"})
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == f"tiny: downloading an index of 0.0 MB (packed) to {tmp_path / 'pyserini'}\n"
    assert system.index_path == tmp_path / "pyserini" / "indexes" / f"lucene-inverted.tiny.abc.{row['md5']}"
    assert run == BM25(COLLECTION, index=str(indexes / "vectors"), feedback="rm3").search({"q": "fox"})
    (tmp_path / "lucene-inverted.tiny.abc.tar.gz").unlink()
    again = BM25(COLLECTION, index="tiny")
    assert len(again.search({"q": "fox"})["q"][0]) == 20
    assert capfd.readouterr().err == ""
    row["md5"] = "another"
    assert BM25(COLLECTION, index="tiny", feedback="rm3").key != key


def test_feedback_reads_documents_where_an_index_has_no_vectors(
    indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feedback gives the same run as with vectors; an index with neither documents nor vectors is an error."""
    offer(indexes / "raw", "msmarco-v1-passage", tmp_path, monkeypatch)
    for feedback in ("rm3", "rocchio"):
        expected = BM25(COLLECTION, index=str(indexes / "vectors"), feedback=feedback).search({"q": "fox"})
        assert BM25(COLLECTION, index="msmarco-v1-passage", feedback=feedback).search({"q": "fox"}) == expected
    with pytest.raises(InputError, match="lean: an index without document vectors; expected them for feedback"):
        BM25(COLLECTION, index=str(indexes / "lean"), feedback="rm3").search({"q": "fox"})


@pytest.mark.parametrize("damage", ["gone", "size", "md5"])
def test_a_failed_download(indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """The error is one line with the reason, and a second attempt succeeds."""
    row = offer(indexes / "lean", "tiny", tmp_path, monkeypatch)
    broken = {
        "gone": {"urls": [(tmp_path / "nowhere.tar.gz").as_uri()]},
        "size": {"size compressed (bytes)": 7},
        "md5": {"md5": "0" * 32},
    }
    with monkeypatch.context() as patch:
        for name, value in broken[damage].items():
            patch.setitem(row, name, value)
        with pytest.raises(InputError, match=r"tiny: cannot be downloaded \(.*\); expected .* bytes") as caught:
            BM25(COLLECTION, index="tiny").search({"q": "fox"})
        assert "\n" not in str(caught.value)
    assert len(BM25(COLLECTION, index="tiny").search({"q": "fox"})["q"][0]) == 20


def test_a_missing_index_is_an_error(tmp_path: Path) -> None:
    """An unknown name is answered with the closest names; a folder without an index is an error too."""
    with pytest.raises(InputError, match="'msmarco-v1-pasage': no such folder, .* closest are msmarco-v1-passage"):
        BM25(COLLECTION, index="msmarco-v1-pasage").search({"q": "fox"})
    with pytest.raises(InputError, match="no segments file; expected the folder of a Lucene index"):
        BM25(COLLECTION, index=str(tmp_path)).search({"q": "fox"})
