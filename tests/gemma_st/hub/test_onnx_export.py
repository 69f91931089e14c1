"""Tests of gemma_st.hub.onnx_export: the scores of the graph, what its README says, and what cannot be exported."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.cli import main
from gemma_st.hub import onnx_export
from gemma_st.hub.saving import save

PAIRS = [("do goldfish grow", "Goldfish grow as long as they live."), ("do goldfish grow", "Gold is a metal.")]


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tiny_reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model; the exporter takes seconds."""
    pytest.importorskip("onnxscript")
    target = tmp_path_factory.mktemp("onnx") / "exported"
    assert main(["export", str(tiny_reranker), str(target), "--onnx"]) == 0
    return target


def test_the_code_of_the_readme_gives_the_scores_of_torch(
    exported: Path, tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a reader would run it, in the folder."""
    assert {path.name for path in exported.iterdir()} >= {"model.onnx", "tokenizer.json", "README.md"}
    [code] = re.findall("```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(exported)
    found: dict[str, np.ndarray] = {}
    exec(code, found)  # noqa: S102
    expected = CrossEncoder(str(tiny_reranker), device="cpu").predict(PAIRS)
    assert found["scores"].shape == (2, 1)
    assert np.allclose(found["scores"][:, 0], expected, atol=1e-5)


def test_batches_and_lengths_are_free(exported: Path, tiny_reranker: Path) -> None:
    """The check of an export sees other lengths than the trace."""
    import sentence_transformers

    model = sentence_transformers.CrossEncoder(str(tiny_reranker), device="cpu")
    assert onnx_export._difference(model, exported / "model.onnx") < 1e-5
    with torch.no_grad():
        model[-1].linear.bias += 1
    assert onnx_export._difference(model, exported / "model.onnx") == pytest.approx(1, abs=1e-3)


def test_a_difference_is_refused(tiny_reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written."""
    monkeypatch.setattr(onnx_export, "LARGEST_DIFFERENCE", -1)
    with pytest.raises(ModelError, match="its scores in onnxruntime differ by"):
        onnx_export.export_onnx(str(tiny_reranker), tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_one_line(
    tiny_gemma: Path, tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the exporter starts."""
    encoder = save(sentence_transformer(tiny_gemma), tmp_path / "encoder")
    own = save(cross_encoder(tiny_gemma, pooler={"name": "last", "k": 2}), tmp_path / "own")
    broken = shutil.copytree(tiny_reranker, tmp_path / "broken")
    (broken / "config.json").write_text("{")
    for model, message in ((encoder, "a bi-encoder"), (own, "has LastK"), (broken, "config.json: not readable")):
        assert main(["export", str(model), str(tmp_path / "new"), "--onnx"]) == 2
        assert message in capsys.readouterr().err
    assert main(["export", str(tiny_reranker), str(tmp_path / "new"), "--onnx", "--license", "gemma"]) == 2
    assert "--onnx writes no model card" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
