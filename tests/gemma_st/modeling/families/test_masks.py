"""Only the mask differs from the models of transformers, it passes the check, and every later load keeps it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from sentence_transformers.base.modules import Transformer

from gemma_st import ModelError, verify_bidirectional
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.families import FAMILIES, OTHER
from gemma_st.modeling.masks import verify_attention
from tests.gemma_st.modeling.families.conftest import (
    IMPLEMENTED,
    MODELS,
    TEXT,
    WINDOW,
    W,
    own,
    states,
)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "t5gemma"])
def test_causal_is_transformers_own_model(checkpoint: Callable[..., Path], name: str) -> None:
    """A causal EmbeddingGemma has its flag off and its full window."""
    folder = checkpoint(name)
    flag = {"config": transformers.Gemma3TextConfig(**TEXT, **WINDOW)} if name == "embeddinggemma" else {}
    expected = states(own(folder, name, **flag), folder)
    ours = backbone(folder, attention="causal").model
    assert torch.allclose(states(ours, folder), expected, atol=1e-5)
    bidirectional = backbone(folder).model
    assert not torch.allclose(states(bidirectional, folder), expected, atol=1e-3)
    assert ours.state_dict().keys() == bidirectional.state_dict().keys()
    assert all(tensor.equal(bidirectional.state_dict()[key]) for key, tensor in ours.state_dict().items())


@pytest.mark.parametrize("name", ["embeddinggemma", "t5gemma"])
def test_a_bidirectional_family_is_transformers_own_model(checkpoint: Callable[..., Path], name: str) -> None:
    """Field notes: EmbeddingGemma's flag halves the window; T5Gemma's encoder is the Gemma 2 it is rewritten as."""
    folder = checkpoint(name)
    ours = backbone(folder).model
    assert torch.allclose(states(ours, folder), states(own(folder, name), folder), atol=1e-5)
    verify_attention(backbone(folder, attention="causal").model, "causal")


@pytest.mark.parametrize("kind", ["T5GemmaModel", "T5GemmaForConditionalGeneration"])
def test_t5gemma_becomes_a_gemma_2_that_any_library_loads(
    checkpoint: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Field notes: AutoModel loads a T5Gemma with its decoder, and cannot load the encoder that stock saves."""
    folder = checkpoint("t5gemma", kind)
    assert type(transformers.AutoModel.from_pretrained(folder)) is transformers.T5GemmaModel
    stock = Transformer(str(folder))
    verify_bidirectional(stock.model)
    stock.save(str(tmp_path / "stock"))
    with pytest.raises(ValueError, match="only support encoder-decoder"):
        transformers.AutoModel.from_pretrained(tmp_path / "stock")
    ours = backbone(folder)
    ours.save(str(tmp_path / "saved"))
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert (saved["model_type"], saved["is_causal"]) == ("gemma2", False)
    plain = transformers.AutoModel.from_pretrained(tmp_path / "saved")
    assert type(plain) is transformers.Gemma2Model
    whole = getattr(transformers, kind).from_pretrained(folder).eval()
    expected = states(whole.get_encoder(), folder)
    assert torch.allclose(states(plain, folder), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["Gemma3ForConditionalGeneration", "Gemma3Model"])
def test_a_multimodal_gemma_3_becomes_a_gemma_3_of_text(
    checkpoint: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Field notes: a Gemma 3 of 4B or more is multimodal."""
    backbone(checkpoint("gemma3", kind)).save(str(tmp_path / "saved"))
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert (saved["model_type"], saved["is_causal"]) == ("gemma3_text", False)
    assert not [key for key in load_file(tmp_path / "saved" / "model.safetensors") if "vision" in key]
    assert not {"processor_config.json", "preprocessor_config.json"} & {p.name for p in (tmp_path / "saved").iterdir()}
    assert type(transformers.AutoModel.from_pretrained(tmp_path / "saved")) is transformers.Gemma3TextModel


@pytest.mark.parametrize(("name", "implementation"), IMPLEMENTED)
def test_the_proof_holds_and_bites(checkpoint: Callable[..., Path], name: str, implementation: str) -> None:
    """The check covers one text and padded batches, below and above the window, and gradient checkpointing."""
    folder = checkpoint(name)
    bidirectional = backbone(folder, attn_implementation=implementation).model
    causal = backbone(folder, attention="causal", attn_implementation=implementation).model
    assert bidirectional.config._attn_implementation == causal.config._attn_implementation == implementation
    for checkpointed in (False, True):
        if checkpointed:
            bidirectional.train().activation_checkpointing_enable()
            causal.train().activation_checkpointing_enable()
        verify_attention(bidirectional, "bidirectional")
        verify_attention(causal, "causal")
        with pytest.raises(ModelError, match=f"is bidirectional in layer 0 for one text .{implementation}"):
            verify_attention(bidirectional, "causal")
        with pytest.raises(ModelError, match=f"is causal in layer 0 for one text .{implementation}"):
            verify_attention(causal, "bidirectional")


@pytest.mark.slow  # it compiles its kernels for a minute
@pytest.mark.parametrize("name", ["gemma", "gemma2", "gemma3_text", "embeddinggemma"])
def test_the_proof_holds_under_flex_attention(checkpoint: Callable[..., Path], name: str) -> None:
    """On a CPU this needs a C++ compiler."""
    folder = checkpoint(name)
    for attention in ("bidirectional", "causal"):
        network = backbone(folder, attention=attention, attn_implementation="flex_attention").model
        verify_attention(network, attention)


@pytest.mark.parametrize(("name", "implementation"), IMPLEMENTED)
def test_gradient_checkpointing_changes_nothing_in_training(
    checkpoint: Callable[..., Path], name: str, implementation: str
) -> None:
    """States and gradients in training mode are equal."""
    network = backbone(checkpoint(name), attn_implementation=implementation).model.train()
    tokens = torch.arange(3, 43).view(2, 20)
    mask = torch.ones_like(tokens)
    mask[1, 12:] = 0
    runs = []
    for _ in range(2):
        network.zero_grad()
        out = network(input_ids=tokens, attention_mask=mask).last_hidden_state
        out[mask.bool()].pow(2).mean().backward()
        runs.append([out[mask.bool()].detach(), *(tensor.grad.clone() for tensor in network.parameters())])
        network.activation_checkpointing_enable()
    assert all(torch.allclose(plain, checkpointed, atol=1e-6) for plain, checkpointed in zip(*runs, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_window_is_what_the_table_says(checkpoint: Callable[..., Path], name: str) -> None:
    """A token sees exactly the tokens within the window."""
    network = backbone(checkpoint(name), attn_implementation="eager").model
    maps = network(torch.arange(3, 33)[None], output_attentions=True).attentions
    reach = [int((layer[0, 0, 0] > 0).nonzero().max()) for layer in maps]
    types = getattr(network.config, "layer_types", None) or ["full_attention", "full_attention"]
    if name == "mistral":  # all its layers slide
        types = ["sliding_attention", "sliding_attention"]
    slides = W // 2 if "w/2" in FAMILIES.get(name, OTHER).window else W
    assert reach == [slides if kind == "sliding_attention" else 29 for kind in types]


@pytest.mark.parametrize("name", MODELS)
def test_any_later_load_is_bidirectional(checkpoint: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """The model is loaded by transformers, as a source of a backbone, and under an adapter."""
    import peft

    saved = tmp_path / "saved"
    backbone(checkpoint(name)).save(str(saved))
    expected = states(transformers.AutoModel.from_pretrained(saved), saved)
    verify_bidirectional(transformers.AutoModel.from_pretrained(saved))
    resumed = backbone(saved)
    verify_bidirectional(resumed.model)
    assert torch.allclose(states(resumed.model, saved), expected, atol=1e-6)
    lora = peft.LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    peft.get_peft_model(transformers.AutoModel.from_pretrained(saved), lora).save_pretrained(tmp_path / "adapter")
    adapted = peft.PeftModel.from_pretrained(transformers.AutoModel.from_pretrained(saved), tmp_path / "adapter")
    verify_bidirectional(adapted)
    assert not torch.allclose(states(adapted, saved), expected, atol=1e-3)
    verify_bidirectional(transformers.AutoModel.from_pretrained(tmp_path / "adapter"))


def test_an_adapter_alone_is_refused(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """Field notes: an adapter without a saved base loses ``is_causal`` and is causal again without a warning."""
    import peft

    network = backbone(checkpoint("gemma")).model
    peft.get_peft_model(network, peft.LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="is causal"):
        verify_bidirectional(transformers.AutoModel.from_pretrained(tmp_path / "adapter"))
    with pytest.raises(ModelError, match="^model '.*adapter' is an adapter without its base; .*merge the two") as error:
        backbone(tmp_path / "adapter")
    assert "\n" not in str(error.value)
