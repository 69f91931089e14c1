"""files: lines are read with their numbers; files are written complete or not at all."""

import gzip
from pathlib import Path

import pytest

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
