"""files: lines are read with their numbers; files are written complete or not at all."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from ir_eval.data import text_files
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_directory, atomic_write, check_folder, read_lines
from ir_eval.errors import InputError


@pytest.mark.parametrize("name", ["text", "text.gz"])
def test_lines_come_with_their_numbers(tmp_path: Path, name: str) -> None:
    """Blank lines are counted but not yielded; line ends are removed, other whitespace is kept."""
    data = "eins\n\n  zwei \r\n \t\nünf".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert list(read_lines(tmp_path / name)) == [(1, "eins"), (3, "  zwei "), (5, "ünf")]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The path is in the error if a file is missing, a folder, truncated, or not UTF-8."""
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"text")[:-3])
    for name in ("absent", ".", "cut.gz"):
        with pytest.raises(InputError, match=f"{tmp_path}.*cannot be read .*; check the path"):
            list(read_lines(tmp_path / name))
    (tmp_path / "latin").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(InputError, match="latin:2: byte 0xef at column 3 is not UTF-8; convert the file to UTF-8"):
        list(read_lines(tmp_path / "latin"))


@pytest.mark.parametrize("name", ["folder/text", "folder/text.gz"])
def test_a_file_appears_whole(tmp_path: Path, name: str) -> None:
    """The name does not exist until the file is complete, and the permissions are the usual ones."""
    path = tmp_path / name
    with atomic_write(path) as file:
        file.write("ünf\n")
        file.flush()
        assert not path.exists()
    assert list(read_lines(path)) == [(1, "ünf")]
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """Any exception restores the previous state."""
    path = tmp_path / "file"
    path.write_text("old")
    for error in (KeyboardInterrupt, InputError("no"), RuntimeError("no")):
        with pytest.raises(type(error) if isinstance(error, Exception) else error), atomic_write(path) as file:
            file.write("new")
            raise error
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "folder") as folder:
        (folder / "half").touch()
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_made_meanwhile_by_another_process_stays(tmp_path: Path) -> None:
    """The first folder is kept, so that its readers are not disturbed."""
    with atomic_directory(tmp_path / "folder") as temporary:
        (temporary / "ours").touch()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "theirs").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "theirs"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The path is in the error; `check_folder` finds it before the work and creates nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"{path}: cannot be written .*; choose another"), atomic_write(path):
            pass
    for path in (tmp_path / "file", tmp_path / "file" / "below" / "deep"):
        with pytest.raises(InputError, match=f"{path}: cannot be written .{tmp_path}/file is no folder"):
            check_folder(path)
    for path in (tmp_path / "folder", tmp_path / "new" / "deep", Path("new"), Path()):
        check_folder(path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


@pytest.mark.parametrize("name", ["text", "text.gz"])
def test_a_byte_order_mark_is_skipped_at_the_beginning_only(tmp_path: Path, name: str) -> None:
    """A mark elsewhere is part of the text, and columns in messages are counted without the mark."""
    pack = gzip.compress if name.endswith("gz") else bytes
    (tmp_path / name).write_bytes(pack("\ufeffeins\n\ufeffzwei\n".encode()))
    assert list(read_lines(tmp_path / name)) == [(1, "eins"), (2, "\ufeffzwei")]
    (tmp_path / name).write_bytes(pack("\ufeff\ndrei".encode()))
    assert list(read_lines(tmp_path / name)) == [(2, "drei")]
    (tmp_path / name).write_bytes(pack(b"\xef\xbb\xbfna\xefve\n"))
    with pytest.raises(InputError, match=":1: byte 0xef at column 3 is not UTF-8"):
        list(read_lines(tmp_path / name))


def test_what_is_no_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would be read once or for ever; a link to itself, a folder and an empty path are told apart."""
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    cases: list[tuple[Any, str]] = [
        ("loop", r"loop: cannot be read \(Too many levels of symbolic links\); expected"),
        ("loop/run", r"loop/run: cannot be read \(Too many levels of symbolic links\); expected"),
        ("pipe", r"pipe: cannot be read \(a pipe or device\); expected a file; write its content to one first"),
        ("/dev/null", r"/dev/null: cannot be read \(a pipe or device\)"),
        (".", r"\.: cannot be read \(Is a directory\)"),
        ("", r"'': an empty path; expected a file"),
        ("a\0b", r"a\\0b: cannot be read \(embedded null byte\)"),
        ("x" * 300, r"x+: cannot be read \(File name too long\)"),
        (None, "a path of type NoneType; expected text or a Path"),
    ]
    for path, message in cases:
        for read in (Run.read, Qrels.read, lambda path: list(read_lines(path))):
            with pytest.raises(InputError, match=f"^{message}"):
                read(path)


@pytest.mark.skipif(not os.getuid(), reason="root may read every file")
def test_a_protected_file_is_one_line(tmp_path: Path) -> None:
    """The reason is named."""
    (tmp_path / "run").touch(mode=0o000)
    with pytest.raises(InputError, match="Permission denied"):
        Run.read(tmp_path / "run")


@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, change: str) -> None:
    """Half of the old and half of the new content would be a wrong figure."""
    path = tmp_path / "run"
    path.write_text("line\n" * 100_000)
    with pytest.raises(InputError, match="run: changed while it was read; expected a complete file"):
        for number, _ in read_lines(path):
            if number == 10:
                if change == "other":
                    os.utime(path, (0, 0))
                else:
                    os.truncate(path, 5 * (100_001 if change == "longer" else 50_000))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fill the memory; the message has the line, and the two readers agree."""
    monkeypatch.setattr(text_files, "MAX_LINE_BYTES", 2**20)
    for name in ("lines", "lines.gz"):
        with (gzip.open if name.endswith(".gz") else open)(tmp_path / name, "wb") as file:
            file.write(b"first\n" + b"x" * 2**20 + b"\n")
        with pytest.raises(InputError, match=f"{name}:2: a line of more than 1 MB; expected one record a line"):
            list(read_lines(tmp_path / name))


def test_a_truncated_archive_names_the_line(tmp_path: Path) -> None:
    """The lines before the end are read."""
    whole = gzip.compress("".join(f"line {number * 7919 % 1000}\n" for number in range(100_000)).encode())
    (tmp_path / "lines.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"lines.gz:[0-9]{5}: cannot be read \(Compressed file ended"):
        list(read_lines(tmp_path / "lines.gz"))
