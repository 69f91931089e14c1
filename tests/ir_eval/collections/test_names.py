"""open_collection: the collection that a name stands for."""

import os
from pathlib import Path

import pytest

from ir_eval.collections import open_collection
from ir_eval.errors import InputError
from tests.ir_eval.collections.test_folders import FILES, write


def test_a_folder_wins_over_the_packaged_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder called python-docs is opened, and the name may be relative or hold a tilde."""
    write(tmp_path / "python-docs", FILES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("python-docs", "./python-docs", "~/python-docs"):
        assert len(open_collection(name).topics) == 1
    monkeypatch.chdir(tmp_path / "python-docs")
    assert open_collection(".").name == "python-docs"


@pytest.mark.parametrize("name", ["./nowhere", "~/nowhere", "/nowhere/at/all"])
def test_a_path_that_is_not_there_is_a_missing_folder(name: str) -> None:
    """A path is not looked up among ir_datasets' ids."""
    with pytest.raises(InputError, match=f"{name}: not a folder; expected one with corpus.jsonl or passages.tsv"):
        open_collection(name)


def test_a_file_is_not_a_collection(tmp_path: Path) -> None:
    """The message says what the folder must hold."""
    (tmp_path / "corpus.jsonl").touch()
    with pytest.raises(InputError, match="not a folder"):
        open_collection(str(tmp_path / "corpus.jsonl"))


@pytest.mark.parametrize(
    ("name", "close"),
    [("beir/scfact", "beir/scifact"), ("python-doc", "python-docs"), ("msmarco-pasage", "msmarco-passage")],
)
def test_an_unknown_name_gets_close_ones(name: str, close: str) -> None:
    """Ids of ir_datasets and the packaged name are both offered."""
    with pytest.raises(InputError, match=f"{name}: no such collection; .* did you mean .*{close}"):
        open_collection(name)


@pytest.mark.parametrize("name", ["", None, 5, "x" * 5000, "a\0b", "~nobody-of-this-name/x", "loop", "pipe"])
def test_what_is_no_collection_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unset variable of the shell is no request for the demo or for the current folder."""
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="^[^\n]+$"):
        open_collection(name)
