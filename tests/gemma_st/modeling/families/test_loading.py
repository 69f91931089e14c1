"""Checkpoints are loaded in full or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import Transformer

from gemma_st import ModelError, verify_bidirectional
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.families import FAMILIES, IMPLEMENTATIONS, OTHER, family
from tests.gemma_st.modeling.families.conftest import (
    MODELS,
    TEXT,
    states,
)


@pytest.mark.parametrize("name", ["gemma3_text", "gemma3"])
def test_the_processor_of_images_is_not_asked_for(checkpoint: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """The tokenizer of every Gemma 3 names an image processor, which transformers would look for."""
    folder = checkpoint(name)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processor_class": "Gemma3Processor"}))
    module = backbone(folder)
    module.save(str(tmp_path / "saved"))
    again = Transformer(str(tmp_path / "saved"))
    assert again.tokenizer("a text").input_ids == transformers.AutoTokenizer.from_pretrained(folder)("a text").input_ids
    assert torch.allclose(states(again.model, folder), states(module.model, folder), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_says_what_transformers_accepts(name: str) -> None:
    """The field notes say which family overflows in float16."""
    config = MODELS[name][0]()
    row = family(config)
    assert row is FAMILIES.get(name, OTHER)
    kind = getattr(transformers, MODELS[name][1])
    flags = {
        "sdpa": "_supports_sdpa",
        "flex_attention": "_supports_flex_attn",
        "flash_attention_2": "_supports_flash_attn",
    }
    assert row.implementations == tuple(
        each for each in IMPLEMENTATIONS if each == "eager" or getattr(kind, flags[each])
    )


@pytest.mark.parametrize("name", ["gemma2", "t5gemma"])
def test_sdpa_is_refused_where_logits_are_capped(checkpoint: Callable[..., Path], name: str) -> None:
    """Field notes: these families run eager attention by default."""
    folder = checkpoint(name)
    assert backbone(folder).model.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match="cannot run attn_implementation='sdpa'; use one of eager, flex_attention, fl"):
        backbone(folder, attn_implementation="sdpa")


@pytest.mark.parametrize("name", ["gemma3_text", "gemma3", "embeddinggemma"])
def test_gemma_3_in_fp16_is_refused(checkpoint: Callable[..., Path], name: str) -> None:
    """Field notes: Gemma 3 overflows in float16."""
    folder = checkpoint(name)
    with pytest.raises(ModelError, match="^dtype='float16' overflows in .*Gemma.*; use bfloat16 or float32$"):
        backbone(folder, dtype="float16")
    verify_bidirectional(backbone(folder, dtype="bfloat16").model)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors, key: tensors.pop(key), "layers.1.mlp.up_proj.weight is missing"),
        (
            lambda tensors, key: tensors.update({key: tensors[key][:-1].clone()}),
            r"layers.1.mlp.up_proj.weight is \(63, 32\), not \(64, 32\)",
        ),
        (
            lambda tensors, key: tensors.update({key.replace(".1.", ".2."): tensors[key].clone()}),
            "layers.2.mlp.up_proj.weight is unexpected",
        ),
    ],
)
def test_weights_that_do_not_load_in_full_are_an_error(
    checkpoint: Callable[..., Path], name: str, damage: Callable[[dict[str, torch.Tensor], str], object], message: str
) -> None:
    """Stock loading only warns and draws random weights."""
    folder = checkpoint(name)
    tensors = load_file(folder / "model.safetensors")
    key = next(key for key in tensors if key.endswith("layers.1.mlp.up_proj.weight") and "decoder" not in key)
    damage(tensors, key)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=f"does not load in full as a [A-Za-z0-9]+Model: (model.)?{message}; "
    ) as error:
        backbone(folder)
    assert "\n" not in str(error.value)


def test_what_old_checkpoints_hold_beside_their_weights_is_no_fault(checkpoint: Callable[..., Path]) -> None:
    """Old Llama checkpoints hold rotary frequencies, which are computed today."""
    folder = checkpoint("llama")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    backbone(folder)


def test_an_error_names_the_first_tensors_only(checkpoint: Callable[..., Path]) -> None:
    """A checkpoint of another model lacks all tensors."""
    folder = checkpoint("gemma")
    save_file({"bert.pooler": torch.zeros(1)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match="embed_tokens.weight is missing, layers.* is missing and 17 more; expected the weights"
    ):
        backbone(folder)


@pytest.mark.parametrize("name", ["gemma", "gemma3", "t5gemma"])
def test_pickled_weights_are_refused(checkpoint: Callable[..., Path], name: str) -> None:
    """A pickle can run code."""
    folder = checkpoint(name)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="^model '.*' has no model.safetensors; .*convert them") as error:
        backbone(folder)
    assert "\n" not in str(error.value)


def test_code_that_comes_with_a_model_is_not_run(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """The user is not asked either."""
    folder = checkpoint("gemma")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "strange.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        backbone(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": "wide"}, "cannot be loaded: Validation error for field 'hidden_size'.* expected int, got str"),
        ({"hidden_act": "magic"}, "has a value in its config.json that cannot be used: 'magic'"),
        ({"layer_types": ["magic"]}, "cannot be loaded: .* The `layer_types` entries must be in"),
        ({"num_hidden_layers": 1}, "is unexpected"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(
    checkpoint: Callable[..., Path], change: dict[str, Any], message: str
) -> None:
    """This includes a configuration with fewer layers than the checkpoint."""
    folder = checkpoint("gemma")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=message) as error:
        backbone(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", [lambda: transformers.BartConfig(), lambda: transformers.Qwen2VLConfig()])
def test_other_models_of_several_parts_are_refused(config: Callable[[], Any], tiny_gemma: Path) -> None:
    """The part to load is not known."""
    with pytest.raises(ModelError, match="describes a model of several parts; expected a decoder of text"):
        backbone(config(), tokenizer=tiny_gemma)


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_starts_at_random(tiny_gemma: Path, tmp_path: Path, name: str) -> None:
    """The weights are drawn from torch's random state, and the model can be saved."""
    config = MODELS[name][0]()
    before = config.to_dict()
    torch.manual_seed(1)
    first = backbone(config, tokenizer=tiny_gemma, max_length=64)
    torch.manual_seed(1)
    again = backbone(config, tokenizer=transformers.AutoTokenizer.from_pretrained(tiny_gemma))
    torch.manual_seed(2)
    other = backbone(config, tokenizer=str(tiny_gemma))
    weights = [module.model.state_dict()["layers.0.mlp.up_proj.weight"] for module in (first, again, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])
    assert config.to_dict() == before
    assert not first.model.training
    assert type(first) is Transformer
    verify_bidirectional(first.model)
    first.save(str(tmp_path))
    written = "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert str(tiny_gemma.parent.parent) not in written  # nor any other temporary folder
    assert torch.allclose(states(backbone(tmp_path).model, tmp_path), states(first.model, tmp_path), atol=1e-6)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path).model_max_length == 64


def test_a_tokenizer_given_stays_as_it_was(tiny_gemma: Path) -> None:
    """The caller may use the tokenizer elsewhere."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_gemma)
    module = backbone(tiny_gemma, tokenizer=tokenizer, padding_side="left", max_length=9)
    assert (tokenizer.padding_side, tokenizer.model_max_length) == ("right", 128)
    assert (module.tokenizer.padding_side, module.tokenizer.model_max_length) == ("left", 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a GemmaConfig has no tokenizer; give tokenizer="),
        ({"tokenizer": "tiny"}, "vocab_size=10 is too small for the tokenizer's 1000 tokens"),
    ],
)
def test_a_configuration_that_does_not_do_is_one_line(tiny_gemma: Path, options: dict[str, Any], message: str) -> None:
    """The tokenizer is missing, or larger than the vocabulary."""
    given = {**options, "tokenizer": tiny_gemma} if options else {}
    with pytest.raises(ModelError, match=message) as error:
        backbone(transformers.GemmaConfig(**{**TEXT, "vocab_size": 10}), **given)
    assert "\n" not in str(error.value)
