"""``ir-eval cache``."""

from pathlib import Path

import pytest

from ir_eval.cache import cached
from ir_eval.cli import main


def test_list_and_prune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The list names what is kept, and the removal says what went and how much; a second one has nothing to do."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path))
    cached("indexes/lucene-1", lambda new: (new / "content").write_bytes(b"1" * 3_000_000) and None, about="my index")
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "my index" in said
    assert "indexes/lucene-1" in said
    assert said.endswith(f"1 entry, 3.0 MB in {tmp_path}; remove with --prune\n")
    assert main(["cache", "--prune", "--keep", "indexes"]) == 0
    assert capsys.readouterr().out == f"nothing to remove from {tmp_path}\n"
    assert main(["cache", "--prune"]) == 0
    said = capsys.readouterr().out
    assert "my index" in said
    assert said.endswith(f"removed 1 entry, 3.0 MB from {tmp_path}\n")
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == f"0 entries, 0.0 kB in {tmp_path}\n"


@pytest.mark.parametrize("options", [["--older-than", "1"], ["--prune", "--older-than", "-1"], ["--keep", "runs"]])
def test_wrong_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one line."""
    assert main(["cache", *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("exists", [True, False])
def test_a_missing_or_wrong_folder_is_an_empty_cache(
    exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in its place holds nothing."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "file"))
    if exists:
        (tmp_path / "file").touch()
    assert main(["cache"]) == main(["cache", "--prune"]) == 0
    assert capsys.readouterr().err == ""
