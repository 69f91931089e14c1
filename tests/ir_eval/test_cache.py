"""cache: its folder, building once, and keys that differ whenever the content differs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ir_eval.cache import cache_dir, cached, content_key, file_key, remembered
from ir_eval.errors import InputError


def test_cache_dir_obeys_its_variable_then_xdg_then_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each variable in turn is removed and the next one decides."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("IR_EVAL_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "ir_eval"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / "home" / ".cache" / "ir_eval"


def test_content_key_tells_apart_what_a_plain_concatenation_would_not() -> None:
    """The borders, types and number of values change the key."""
    keys = {
        content_key(*parts)
        for parts in [(), ("",), ("", ""), ("ab", "c"), ("a", "bc"), ("abc",), (b"abc",)]
        + [("1",), (1,), (1.0,), (True,), ("True",), (None,), ("None",), ("str:3:abc",), ("\ud800",), ("?",)]
    }
    assert len(keys) == 17
    assert content_key("ab", 1, b"c") == content_key("ab", 1, b"c")
    assert all(len(key) == 64 for key in keys)


def test_file_key_is_of_the_content(tmp_path: Path) -> None:
    """A copy under another name has the same key; one changed byte gives another."""
    first, copy, other = (tmp_path / name for name in "abc")
    first.write_bytes(b"content\n" * 100_000)
    copy.write_bytes(first.read_bytes())
    other.write_bytes(first.read_bytes()[:-1] + b"!")
    assert file_key(first) == file_key(copy) != file_key(other)


def test_cached_builds_once_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A failure leaves nothing; the next call builds; the call after that does not."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("kind/key", fail)
    assert not list((tmp_path / "kind").iterdir())
    folder = cached("kind/key", lambda temporary: (temporary / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert cached("kind/key", fail) == folder


def test_remembered_computes_once_and_again_what_is_damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A failure leaves nothing; a damaged file is computed again; empty bytes are cached, too."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path))

    def fail() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembered("kind/key", fail)
    assert not list(tmp_path.rglob("*"))
    for content in (b"content", b""):
        name = f"kind/{len(content)}"
        assert remembered(name, lambda content=content: content) == content
        assert remembered(name, fail) == content
        whole = (tmp_path / name).read_bytes()
        for damaged in (whole[:-1], whole + b"!", bytes([whole[0] ^ 1]) + whole[1:], b""):
            (tmp_path / name).write_bytes(damaged)
            assert remembered(name, lambda: b"computed anew") == b"computed anew"
            assert remembered(name, fail) == b"computed anew"


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the variable to set."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="file/key: cannot be written .* set IR_EVAL_CACHE to another folder"):
        cached("key", Path.touch)
    with pytest.raises(InputError, match="file/key: cannot be written .* set IR_EVAL_CACHE to another folder"):
        remembered("key", lambda: b"")


def test_a_damaged_folder_is_built_again_with_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder is checked after it is built and before each use; a folder that is broken as built is never kept."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path))

    def check(folder: Path) -> str:
        return "" if (folder / "content").read_bytes() == b"whole" else "half of it"

    def build(content: bytes) -> Path:
        return cached("kind/key", lambda new: [(new / "content").write_bytes(content)] and None, check=check)

    with pytest.raises(InputError, match="kind/key: cannot be written .half of it.; expected .* or free space"):
        build(b"half")
    assert not list((tmp_path / "kind").iterdir())
    folder = build(b"whole")
    assert build(b"half") == folder
    assert capsys.readouterr().err == ""
    (folder / "content").write_bytes(b"")
    assert (build(b"whole") / "content").read_bytes() == b"whole"
    assert capsys.readouterr().err == f"{folder}: damaged (half of it); building it again\n"
    assert [path.name for path in (tmp_path / "kind").iterdir()] == ["key"]


RACE = """
import sys, time
from pathlib import Path
from ir_eval.cache import cached, remembered
here, other = Path(sys.argv[1]), Path(sys.argv[2])
def build(folder):
    (folder / "content").write_text("same")
    here.touch()
    while not other.exists():
        time.sleep(0.01)
print((cached("kind/key", build, about="it") / "content").read_text())
"""


def test_two_processes_build_the_same_folder(tmp_path: Path) -> None:
    """Both are building at the same time; one folder stays, both end well, and the group may read it."""
    marks = tmp_path / "a", tmp_path / "b"
    environment = {**os.environ, "IR_EVAL_CACHE": str(tmp_path / "cache")}
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, *map(str, order)], env=environment, stdout=subprocess.PIPE)
        for order in (marks, marks[::-1])
    ]
    assert [process.communicate()[0] for process in processes] == [b"same\n"] * 2
    assert [process.returncode for process in processes] == [0, 0]
    assert [path.name for path in (tmp_path / "cache" / "kind").iterdir()] == ["key"]


def test_the_group_may_read_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Modes are those of the user's umask."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    before = os.umask(0o027)
    try:
        cached("kind/key", lambda folder: (folder / "content").touch(), about="it")
        remembered("other/key", lambda: b"content", about="it")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").rglob("*")}
    assert modes == {0o750, 0o640}
