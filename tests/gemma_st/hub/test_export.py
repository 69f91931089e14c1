"""Tests of gemma_st.hub.export."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemma_st import CrossEncoder, ModelError
from gemma_st.hub.card import Facts
from gemma_st.hub.export import export
from tests.gemma_st.conftest import PAIRS


@pytest.fixture
def trained(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A model as training leaves it, with the folders of the training beside it."""
    folder = Path(shutil.copytree(tiny_reranker, tmp_path / "trained"))
    for extra in ("checkpoints/checkpoint-1", "student"):
        (folder / extra).mkdir(parents=True)
        (folder / extra / "model.safetensors").write_bytes(b"large")
    (folder / "model.safetensors").chmod(0o600)
    return folder


def test_the_stock_class_loads_a_local_model(trained: Path, stock: Callable[..., Any], tmp_path: Path) -> None:
    """The copy has no folders of the training, and everybody can read it."""
    written = export(str(trained), tmp_path / "below" / "exported")
    scores, *_ = stock(written, PAIRS)
    assert scores == pytest.approx(CrossEncoder(str(trained)).predict(PAIRS).tolist(), abs=1e-5)
    kept = {path.name for path in trained.iterdir()} - {"checkpoints", "student"}
    assert {path.name for path in written.iterdir()} == {*kept, "README.md"}
    assert (written / "model.safetensors").stat().st_mode & stat.S_IROTH
    assert [path.name for path in written.parent.iterdir()] == ["exported"]


def test_the_stock_class_loads_a_packaged_model(stock: Callable[..., Any], tmp_path: Path) -> None:
    """The path of the copy is all that it needs."""
    written = export("gemma-encoder-msmarco", tmp_path / "exported")
    scores, *_ = stock(written, PAIRS)
    assert scores == pytest.approx(CrossEncoder("gemma-encoder-msmarco").predict(PAIRS).tolist(), abs=1e-5)


def test_a_card_is_kept_unless_facts_are_given(trained: Path, tmp_path: Path) -> None:
    """An existing card was written by the author of the model."""
    (trained / "README.md").write_text("mine")
    assert (export(str(trained), tmp_path / "kept") / "README.md").read_text() == "mine"
    written = export(str(trained), tmp_path / "named", Facts(license="gemma", training_data=("nq-qed",)))
    assert "license: gemma" in (written / "README.md").read_text()
    assert (trained / "README.md").read_text() == "mine"


def test_an_empty_directory_may_be_there(trained: Path, tmp_path: Path) -> None:
    """The caller may have made it."""
    (tmp_path / "exported").mkdir()
    assert (export(str(trained), tmp_path / "exported") / "modules.json").is_file()


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("nothing", "new", "model 'nothing': no such directory or packaged model"),
        ("owner/model", "new", "model 'owner/model': no modules.json"),
        ("{base}", "new", "no modules.json in"),
        ("{trained}", "trained", "exists already; expected a new or empty directory"),
        ("{trained}", "file", "exists already; expected a new or empty directory"),
        ("{trained}", "trained/new", "lies within the model itself"),
    ],
)
def test_bad_input_is_an_error_of_one_line_and_writes_nothing(
    trained: Path, tiny_gemma: Path, tmp_path: Path, name: str, target: str, message: str
) -> None:
    """The files that were there stay."""
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match=message) as error:
        export(name.format(base=tiny_gemma, trained=trained), tmp_path / target)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_that_fails_leaves_nothing(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no target and no temporary folder."""

    def full(source: str, target: str) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="disk full"):
        export(str(trained), tmp_path / "exported")
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]
