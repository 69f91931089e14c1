"""cache_entries: what the cache holds, and a removal that leaves alone what another process uses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

import pytest

from ir_eval.cache import cached, remembered
from ir_eval.cache_entries import entries, prune

PROCESS = """
import sys
from ir_eval.cache import cached, remembered
def build(folder):
    (folder / "content").write_text("12345")
    if sys.argv[1] == "building":
        print("ready", flush=True)
        sys.stdin.read()
folder = cached("indexes/lucene-2", build, about="an index")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an index, two files of scores, and files of somebody else."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    cached("indexes/lucene-1", lambda folder: (folder / "content").write_text("123") and None, about="an index")
    for name in ("a", "b"):
        remembered(f"scores/model/{name}", lambda: b"12", about="scores of it")
    (tmp_path / "cache" / "notes").mkdir()
    (tmp_path / "cache" / "notes" / "mine.txt").touch()
    return tmp_path / "cache"


@contextmanager
def process(state: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is building ``indexes/lucene-2``, or uses it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
        yield running


def test_what_the_cache_holds(cache: Path) -> None:
    """Each folder has its description, its size and its date, which a use renews."""
    found = {entry.path.name: entry for entry in entries()}
    assert {name: (entry.about, entry.size) for name, entry in found.items()} == {
        "lucene-1": ("an index", 3 + len("an index")),
        "model": ("scores of it", 2 * (32 + 2) + len("scores of it")),
    }
    for name, use in {"indexes/lucene-1": cached, "scores/model/a": remembered}.items():
        folder = cache / "/".join(name.split("/")[:2])
        os.utime(folder, (0, 0))
        assert {entry.used for entry in entries() if entry.path == folder} == {0}
        use(name, None)  # type: ignore[operator]
        assert min(entry.used for entry in entries() if entry.path == folder) > time() - 1000


def test_prune_by_age_and_kind(cache: Path) -> None:
    """What is younger, or of a kind to keep, stays; files of others always do."""
    os.utime(cache / "indexes" / "lucene-1", (0, time() - 10 * 86400))
    assert prune(older_than=11).removed == []
    assert prune(older_than=9, keep=["indexes"]).removed == []
    assert [entry.about for entry in prune(older_than=9).removed] == ["an index"]
    assert [entry.about for entry in prune().removed] == ["scores of it"]
    assert entries() == []
    assert (cache / "notes" / "mine.txt").exists()


def test_a_folder_that_another_process_uses_stays() -> None:
    """It goes once the process has ended."""
    with process("using") as running:
        assert [(entry.path.name, reason) for entry, reason in prune().kept] == [
            ("lucene-2", "another process uses it")
        ]
        running.communicate("")
    assert [entry.path.name for entry in prune().removed] == ["lucene-2"]


def test_leftovers_go_once_their_process_is_dead(cache: Path) -> None:
    """While another process is building, its kind of content is left alone; after a kill, its leftovers go."""
    with process("building") as running:
        pruned = prune(older_than=1)
        assert [entry.path.name.partition("2")[0] for entry, _ in pruned.kept] == [".lucene-"]
        running.send_signal(signal.SIGKILL)
    (cache / "scores" / "model" / ".a.0123abcd").touch()
    (cache / "scores" / "model" / ".profile").touch()
    removed = prune(older_than=1).removed
    assert sorted(entry.path.name[:8] for entry in removed) == [".a.0123a", ".lucene-"]
    assert [path.name for path in (cache / "indexes").iterdir()] == ["lucene-1"]
    assert (cache / "scores" / "model" / ".profile").exists()


def test_a_link_is_removed_and_not_what_it_leads_to(cache: Path, tmp_path: Path) -> None:
    """Somebody may keep an index on another disk."""
    (cache / "indexes" / "lucene-1").rename(tmp_path / "elsewhere")
    (cache / "indexes" / "lucene-1").symlink_to(tmp_path / "elsewhere")
    prune()
    assert not (cache / "indexes" / "lucene-1").is_symlink()
    assert (tmp_path / "elsewhere" / "content").read_text() == "123"
