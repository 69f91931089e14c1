"""Tests over all families of decoders: the mask, what is loaded, and what a later load makes of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import Transformer

from gemma_st import ModelError, verify_bidirectional
from gemma_st.attention import verify_attention
from gemma_st.backbone import backbone
from gemma_st.families import FAMILIES, IMPLEMENTATIONS, OTHER, family
from tests.gemma_st.conftest import PAIRS

W = 6  # window in tokens; the texts of PAIRS are shorter and longer
WINDOW = {"sliding_window": W, "layer_types": ["sliding_attention", "full_attention"]}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
IDS = {"vocab_size": 1000, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
TEXT = {**SHAPE, **HEADS, **IDS}
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
HALF = {**TEXT, **WINDOW}

# name → configuration, class of the checkpoint, where the text encoder is in it
MODELS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "gemma": (lambda: transformers.GemmaConfig(**TEXT), "GemmaModel", ""),
    "gemma2": (lambda: transformers.Gemma2Config(**TEXT, **WINDOW), "Gemma2ForCausalLM", "model"),
    "gemma3_text": (lambda: transformers.Gemma3TextConfig(**TEXT, **WINDOW), "Gemma3ForCausalLM", "model"),
    "gemma3": (
        lambda: transformers.Gemma3Config(
            text_config={**TEXT, **WINDOW},
            vision_config={**VISION, "image_size": 28, "patch_size": 14},
            mm_tokens_per_image=4,
        ),
        "Gemma3ForConditionalGeneration",
        "model.language_model",
    ),
    "embeddinggemma": (
        lambda: transformers.Gemma3TextConfig(**TEXT, **WINDOW, use_bidirectional_attention=True),
        "Gemma3TextModel",
        "",
    ),
    "t5gemma": (
        lambda: transformers.T5GemmaConfig(encoder=dict(HALF), decoder=dict(HALF), vocab_size=1000),
        "T5GemmaForConditionalGeneration",
        "model.encoder",
    ),
    "llama": (lambda: transformers.LlamaConfig(**TEXT), "LlamaForCausalLM", "model"),
    "mistral": (lambda: transformers.MistralConfig(**TEXT, sliding_window=W), "MistralModel", ""),
    "qwen2": (
        lambda: transformers.Qwen2Config(**TEXT, **WINDOW, use_sliding_window=True),
        "Qwen2ForSequenceClassification",
        "model",
    ),
    "qwen3": (lambda: transformers.Qwen3Config(**TEXT), "Qwen3Model", ""),
}
IMPLEMENTED = [
    (name, implementation)
    for name in MODELS
    for implementation in ("eager", "sdpa")
    if implementation in FAMILIES.get(name, OTHER).implementations
]


@pytest.fixture
def checkpoint(tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """Save a random checkpoint of a family, as its publisher would, beside the tokenizer of ``tiny_gemma``."""

    def make(name: str, kind: str | None = None) -> Path:
        folder = tmp_path / f"{name}-{kind}"
        shutil.copytree(tiny_gemma, folder, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
        config, usual, _ = MODELS[name]
        torch.manual_seed(0)
        getattr(transformers, kind or usual)(config()).save_pretrained(folder)
        return folder

    return make


def own(folder: Path, name: str, **options: Any) -> torch.nn.Module:
    """Return transformers' own text encoder of a checkpoint."""
    _, kind, place = MODELS[name]
    network = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32, **options).eval()
    return network.get_submodule(place)


def states(network: torch.nn.Module, folder: Path) -> torch.Tensor:
    """Return the hidden states (tokens, width) of a right-padded batch, with texts below and above the window."""
    texts = ["work", *(document for _, document in PAIRS)]
    batch = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    lengths = batch["attention_mask"].sum(1)
    assert lengths.min() < W < lengths.max() - 2
    with torch.inference_mode():
        return network(**batch).last_hidden_state[batch["attention_mask"].bool()]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "t5gemma"])
def test_causal_is_transformers_own_model(checkpoint: Callable[..., Path], name: str) -> None:
    """Nothing but the mask is changed. EmbeddingGemma's causal form has its flag off, and its full window."""
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
    """Field notes: as it is a T5Gemma runs its decoder, and the encoder that the stock class saves loads only there."""
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


@pytest.mark.parametrize("name", ["gemma3_text", "gemma3"])
def test_the_processor_of_images_is_not_asked_for(checkpoint: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """The tokenizers of all Gemma 3 name one, those of the models of text too, and transformers then looks for it."""
    folder = checkpoint(name)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processor_class": "Gemma3Processor"}))
    module = backbone(folder)
    module.save(str(tmp_path / "saved"))
    again = Transformer(str(tmp_path / "saved"))
    assert again.tokenizer("a text").input_ids == transformers.AutoTokenizer.from_pretrained(folder)("a text").input_ids
    assert torch.allclose(states(again.model, folder), states(module.model, folder), atol=1e-6)


@pytest.mark.parametrize(("name", "implementation"), IMPLEMENTED)
def test_the_proof_holds_and_bites(checkpoint: Callable[..., Path], name: str, implementation: str) -> None:
    """On one text and padded batches, below and above the window, without and with gradient checkpointing."""
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
    """Where a compiler for C++ is at hand, on a CPU too."""
    folder = checkpoint(name)
    for attention in ("bidirectional", "causal"):
        network = backbone(folder, attention=attention, attn_implementation="flex_attention").model
        verify_attention(network, attention)


@pytest.mark.parametrize(("name", "implementation"), IMPLEMENTED)
def test_gradient_checkpointing_changes_nothing_in_training(
    checkpoint: Callable[..., Path], name: str, implementation: str
) -> None:
    """States and gradients, in training mode."""
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
    """No farther, and no less."""
    network = backbone(checkpoint(name), attn_implementation="eager").model
    maps = network(torch.arange(3, 33)[None], output_attentions=True).attentions
    reach = [int((layer[0, 0, 0] > 0).nonzero().max()) for layer in maps]
    types = getattr(network.config, "layer_types", None) or ["full_attention", "full_attention"]
    if name == "mistral":  # all its layers slide
        types = ["sliding_attention", "sliding_attention"]
    slides = W // 2 if "w/2" in FAMILIES.get(name, OTHER).window else W
    assert reach == [slides if kind == "sliding_attention" else 29 for kind in types]


@pytest.mark.parametrize("name", MODELS)
def test_the_table_says_what_transformers_accepts(name: str) -> None:
    """And the field notes which one overflows in float16."""
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
    """Field notes: they run eager, unless asked otherwise."""
    folder = checkpoint(name)
    assert backbone(folder).model.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match="cannot run attn_implementation='sdpa'; use one of eager, flex_attention, fl"):
        backbone(folder, attn_implementation="sdpa")


@pytest.mark.parametrize("name", ["gemma3_text", "gemma3", "embeddinggemma"])
def test_gemma_3_in_fp16_is_refused(checkpoint: Callable[..., Path], name: str) -> None:
    """Field notes: it overflows."""
    folder = checkpoint(name)
    with pytest.raises(ModelError, match="^dtype='float16' overflows in .*Gemma.*; use bfloat16 or float32$"):
        backbone(folder, dtype="float16")
    verify_bidirectional(backbone(folder, dtype="bfloat16").model)


@pytest.mark.parametrize("name", MODELS)
def test_any_later_load_is_bidirectional(checkpoint: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """Stock, resumed as a source, or under an adapter trained on the saved base."""
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
    """Field notes: it loses ``is_causal`` where its base was not saved, and is causal again without a word."""
    import peft

    network = backbone(checkpoint("gemma")).model
    peft.get_peft_model(network, peft.LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="is causal"):
        verify_bidirectional(transformers.AutoModel.from_pretrained(tmp_path / "adapter"))
    with pytest.raises(ModelError, match="^model '.*adapter' is an adapter without its base; .*merge the two") as error:
        backbone(tmp_path / "adapter")
    assert "\n" not in str(error.value)


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
            "layers.2.mlp.up_proj.weight has no place",
        ),
    ],
)
def test_weights_that_do_not_load_in_full_are_an_error(
    checkpoint: Callable[..., Path], name: str, damage: Callable[[dict[str, torch.Tensor], str], object], message: str
) -> None:
    """Stock loading only warns, and leaves random numbers in their place."""
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
    """Those of Llama hold frequencies that are computed today."""
    folder = checkpoint("llama")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(8)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    backbone(folder)


def test_an_error_names_the_first_tensors_only(checkpoint: Callable[..., Path]) -> None:
    """A checkpoint of another model lacks them all."""
    folder = checkpoint("gemma")
    save_file({"bert.pooler": torch.zeros(1)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match="embed_tokens.weight is missing, layers.* is missing and 17 more; its weights"
    ):
        backbone(folder)


@pytest.mark.parametrize("name", ["gemma", "gemma3", "t5gemma"])
def test_pickled_weights_are_refused(checkpoint: Callable[..., Path], name: str) -> None:
    """They can run code."""
    folder = checkpoint(name)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="^model '.*' has no model.safetensors; .*convert them") as error:
        backbone(folder)
    assert "\n" not in str(error.value)


def test_code_that_comes_with_a_model_is_not_run(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """No question is asked either."""
    folder = checkpoint("gemma")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "strange.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        backbone(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change", [{"hidden_size": "wide"}, {"hidden_act": "magic"}, {"layer_types": ["magic"]}, {"num_hidden_layers": 1}]
)
def test_a_configuration_that_cannot_be_used_is_one_line(
    checkpoint: Callable[..., Path], change: dict[str, Any]
) -> None:
    """Whatever the library raised; fewer layers than there are weights for are no likelier to be meant."""
    folder = checkpoint("gemma")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match="cannot be used: |has no place") as error:
        backbone(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", [lambda: transformers.BartConfig(), lambda: transformers.Qwen2VLConfig()])
def test_other_models_of_several_parts_are_refused(config: Callable[[], Any], tiny_gemma: Path) -> None:
    """Which part is meant cannot be known."""
    with pytest.raises(ModelError, match="describes a model of several parts; expected a decoder of text"):
        backbone(config(), tokenizer=tiny_gemma)


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_starts_at_random(tiny_gemma: Path, tmp_path: Path, name: str) -> None:
    """From torch's random state, and to be saved like any other."""
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
    """It may serve elsewhere."""
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
    """Without a tokenizer, or with too large a one."""
    given = {**options, "tokenizer": tiny_gemma} if options else {}
    with pytest.raises(ModelError, match=message) as error:
        backbone(transformers.GemmaConfig(**{**TEXT, "vocab_size": 10}), **given)
    assert "\n" not in str(error.value)
