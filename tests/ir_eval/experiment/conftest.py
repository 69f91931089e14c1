"""A working folder in which collections and models have short names."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(data: Path, tmp_path: Path, tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder from which collections and models have short paths, as users type them."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("dl19").symlink_to(data / "msmarco" / "trec-dl19")
    Path("vaswani").symlink_to(data / "beir" / "vaswani")
    Path("tiny").symlink_to(tiny_reranker)
    return tmp_path / "here"
