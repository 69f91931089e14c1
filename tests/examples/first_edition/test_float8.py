"""Tests of first_edition.float8: where weights lie, and that nothing else changes."""

from pathlib import Path

import pytest
import torch
import transformers
from first_edition.float8 import LARGEST, TYPICAL, spread
from safetensors.torch import load_file

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import PAIRS


@pytest.fixture
def network() -> transformers.GemmaModel:
    """A Gemma whose token table is far too small and one of whose outputs is too large."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "attention_bias": True}
    config = transformers.GemmaConfig(vocab_size=50, rms_norm_eps=1e-12, **shape, **heads)
    network = transformers.GemmaModel(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        network.embed_tokens.weight.mul_(0.01)
        network.layers[1].self_attn.o_proj.weight.mul_(100)
        network.layers[1].mlp.down_proj.weight.mul_(100)
    return network


def test_it_computes_what_it_did(network: transformers.GemmaModel) -> None:
    """With every matrix where float8 is fine."""
    ids = torch.arange(30).view(2, 15)
    with torch.inference_mode():
        before = network(ids).last_hidden_state
    spread(network)
    with torch.inference_mode():
        after = network(ids).last_hidden_state
    assert torch.allclose(before, after, atol=1e-4)
    assert TYPICAL / 1.5 < network.embed_tokens.weight.pow(2).mean().sqrt() < TYPICAL * 1.5
    assert all(parameter.abs().max() <= LARGEST for parameter in network.parameters() if parameter.dim() == 2)


def test_float8_on_disk_is_float32_in_use(tiny_gemma: Path, tmp_path: Path) -> None:
    """Rounded, but for vectors and what is to stay exact."""
    model = cross_encoder(tiny_gemma)
    saved = save(model, tmp_path / "saved", storage="float8_e4m3fn", exact=("layers.0.",))
    tensors = load_file(saved / "model.safetensors")
    for name, tensor in tensors.items():
        narrow = tensor.dim() == 2 and not name.startswith("layers.0.")
        assert tensor.dtype == (torch.float8_e4m3fn if narrow else torch.float32), name
    loaded = CrossEncoder(str(saved), device="cpu")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    for name, tensor in tensors.items():
        assert loaded[0].model.get_parameter(name).equal(tensor.float())
    assert loaded.predict(PAIRS).shape == (3,)


def test_what_float8_cannot_hold_is_one_line(tiny_gemma: Path, tmp_path: Path) -> None:
    """And nothing is written."""
    model = cross_encoder(tiny_gemma)
    with torch.no_grad():
        model[0].model.layers[0].mlp.up_proj.weight[0, 0] = 1e4
    with pytest.raises(ModelError, match=r"^layers\.0\.mlp\.up_proj\.weight: 10000 is beyond float8_e4m3fn"):
        save(model, tmp_path / "saved", storage="float8_e4m3fn")
    assert not (tmp_path / "saved").exists()
