"""Tests of gemma_st.training.lora: adapters are trained, saved, resumed and merged."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
from safetensors.torch import load_file

from gemma_st import CrossEncoder, ModelError, verify_bidirectional
from gemma_st.cli import main
from gemma_st.hub.export import export
from gemma_st.hub.saving import save
from gemma_st.training.checkpoints import LossCheckpoint
from gemma_st.training.config import read_config
from gemma_st.training.lora import AdapterConfig, add_adapter, merge
from gemma_st.training.trainer import train
from tests.gemma_st.conftest import PAIRS, Pairs
from tests.gemma_st.training.conftest import same, weights

LORA = "lora = { rank = 2, alpha = 4, dropout = 0.1 }\ndropout = { feed_forward = 0.1 }\n"


@pytest.fixture
def trained(ranking: Callable[..., Path]) -> Path:
    """A model with a trained adapter."""
    return train(read_config(ranking(more=LORA)))


def test_only_adapters_pooler_and_head_are_trained(trained: Path, tiny_gemma: Path) -> None:
    """The backbone stays equal to the bit; head and adapters change."""
    base, plain = load_file(trained / "base/model.safetensors"), load_file(tiny_gemma / "model.safetensors")
    assert base.keys() == plain.keys()
    assert all(base[name].equal(plain[name]) for name in base)
    model = CrossEncoder(str(trained), device="cpu")
    for name, tensor in model[0].model.state_dict().items():
        if "lora" not in name:
            assert tensor.equal(plain[name.replace(".base_layer", "")]), name
    adapters = load_file(trained / "adapter_model.safetensors")
    assert len(adapters) == 2 * 7 * 2  # layers, projections, A and B
    assert all(tensor.abs().max() > 0 for name, tensor in adapters.items() if "lora_B" in name)
    torch.manual_seed(0)
    fresh = load_file(trained / "checkpoints/checkpoint-2/2_LayerNorm/model.safetensors")
    assert not all(tensor.equal(load_file(trained / "2_LayerNorm/model.safetensors")[n]) for n, tensor in fresh.items())


def test_it_loads_with_equal_scores_here_and_in_stock_sentence_transformers(
    ranking: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loaded model is bidirectional, and its scores equal the scores of the model that was saved."""
    kept = []
    monkeypatch.setattr("gemma_st.training.trainer.save", lambda model, *rest, **options: _save(kept, model, *rest))
    trained = train(read_config(ranking(more=LORA)))
    model = CrossEncoder(str(trained), device="cpu")
    verify_bidirectional(model)
    assert np.allclose(model.predict(PAIRS), kept, rtol=0, atol=1e-6)
    stock = sentence_transformers.CrossEncoder(str(trained), device="cpu")
    assert np.allclose(stock.predict(PAIRS), kept, rtol=0, atol=1e-6)


def _save(kept: list[float], model: CrossEncoder, *place: Path) -> Path:
    from gemma_st.hub.saving import save

    kept += model.predict(PAIRS).tolist()
    return save(model, *place)


def test_an_interrupted_run_goes_on_to_the_same_weights(
    ranking: Callable[..., Path], trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Adapters, head and the random states of both dropouts are restored."""
    write = LossCheckpoint.on_save

    def interrupted(self: LossCheckpoint, arguments: object, state: object, *rest: object, **options: object) -> None:
        write(self, arguments, state, *rest, **options)
        if state.global_step == 4:
            raise KeyboardInterrupt

    file = ranking("other", more=LORA)
    with monkeypatch.context() as patched:
        patched.setattr(LossCheckpoint, "on_save", interrupted)
        assert main(["train", str(file)]) == 130
    resumed = train(read_config(file))
    assert same(weights(resumed), weights(trained))
    history = json.loads((resumed / "training.json").read_text())["log"]
    assert [entry["step"] for entry in history if "loss" in entry] == [1, 2, 3, 4, 5, 6]


def test_merging_gives_a_portable_model_with_equal_scores(
    trained: Path, tmp_path: Path, stock: Callable[[Path, Pairs], list[object]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The merged model has stock modules only, and loads without the adapter's folder."""
    scores = CrossEncoder(str(trained), device="cpu").predict(PAIRS)
    capsys.readouterr()
    assert main(["merge", str(trained), str(tmp_path / "merged")]) == 0
    merged = tmp_path / "merged"
    out = capsys.readouterr().out
    assert out.startswith(f"model written to {merged}; ")
    assert out.endswith(f" with: gemma-st verify {merged}\n")
    trained.rename(tmp_path / "gone")
    found, labels, *_ = stock(tmp_path / "merged", PAIRS)
    assert np.allclose(found, scores, rtol=0, atol=1e-5)
    assert labels == 1
    assert not list((tmp_path / "merged").glob("adapter*"))
    assert not any("lora" in name or "base_layer" in name for name in weights(tmp_path / "merged"))
    verify_bidirectional(CrossEncoder(str(tmp_path / "merged"), device="cpu"))


def test_what_cannot_be_merged_or_exported_is_one_line(
    ranking: Callable[..., Path],
    trained: Path,
    tiny_reranker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No directory is written."""
    assert main(["merge", str(tiny_reranker), str(tmp_path / "new")]) == 2
    assert "has no adapter_config.json; expected a model trained with [lora]" in capsys.readouterr().err
    assert main(["merge", str(trained), str(trained)]) == 2
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(ModelError, match="adapter.*; .* first: gemma-st merge"):
        export(str(trained), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ModelError, match="its LoRA adapter is not merged; merge it first: gemma-st merge"):
        train(read_config(ranking("further", base=trained)))


def test_an_adapter_that_is_no_number_is_not_folded_in(tiny_reranker: Path, tmp_path: Path) -> None:
    """The error names the layer."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    add_adapter(model, AdapterConfig(rank=2), tmp_path / "nan/base")
    layer = model[0].model.layers[1].mlp.up_proj
    layer.lora_B["default"].weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\..* is not finite"):
        merge(save(model, tmp_path / "nan"), tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_targets_are_the_projections_asked_for(ranking: Callable[..., Path]) -> None:
    """Other layers get no adapter; the error names a target that matches no layer."""
    file = ranking(more='lora = { rank = 1, targets = ["q_proj", "v_proj"] }\n')
    adapters = load_file(train(read_config(file)) / "adapter_model.safetensors")
    assert {name.split(".self_attn.")[1].split(".")[0] for name in adapters} == {"q_proj", "v_proj"}
    with pytest.raises(ModelError, match=r"^\[lora\] .*no_such"):
        train(read_config(ranking("other", more='lora = { targets = ["no_such"] }\n')))
