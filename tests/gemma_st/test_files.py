"""files: files and folders appear complete or not at all, and a digest is of the content."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gemma_st.files import atomic_directory, atomic_path, digest, write_whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A lone surrogate cannot be encoded as UTF-8."""
    write_whole(tmp_path / "folder/file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "folder/file", "new\ud800")
    assert (tmp_path / "folder/file").read_text() == "old"
    assert len(list(tmp_path.rglob("*"))) == 2


def test_line_ends_are_written_as_they_are(tmp_path: Path) -> None:
    """The text is written in UTF-8, whatever the platform."""
    write_whole(tmp_path / "file", "é\r\nb\n")
    assert (tmp_path / "file").read_bytes() == "é\r\nb\n".encode()


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    """The temporary file is hidden, has the same suffix, and lies in the same folder, so that renaming is atomic."""
    with atomic_path(tmp_path / "run.trec.gz") as temporary:
        assert (temporary.parent, temporary.name[0], temporary.suffix) == (tmp_path, ".", ".gz")
        temporary.write_text("content")
        assert not (tmp_path / "run.trec.gz").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run.trec.gz"]


def test_files_and_folders_have_the_usual_permissions(tmp_path: Path) -> None:
    """They are readable by the same people as any new file or folder of the user."""
    (tmp_path / "plain folder").mkdir()
    (tmp_path / "plain").touch()
    write_whole(tmp_path / "file", "text")
    with atomic_directory(tmp_path / "folder"):
        pass
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "folder").stat().st_mode == (tmp_path / "plain folder").stat().st_mode


def test_an_interrupted_folder_is_removed(tmp_path: Path) -> None:
    """Its content is removed, too."""
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "folder") as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [atomic_path, atomic_directory])
def test_an_unwritable_path_is_an_oserror(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    """The error is Python's own; ir_eval turns it into a message for users."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), write(tmp_path / "file" / "below"):
        pass


def test_digest_is_sha256(tmp_path: Path) -> None:
    """Of a file larger than one read."""
    (tmp_path / "file").write_bytes(b"content\n" * 100_000)
    assert digest(tmp_path / "file") == hashlib.sha256(b"content\n" * 100_000).hexdigest()
