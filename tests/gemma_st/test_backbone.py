"""Tests of gemma_st.backbone: the mask, the padding side and the tokens that a saved model keeps."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from gemma_st import CrossEncoder, ModelError, verify_bidirectional
from gemma_st.backbone import backbone
from gemma_st.build import cross_encoder
from gemma_st.saving import save
from tests.gemma_st.conftest import PAIRS

WINDOW = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
FAMILIES = [
    ("GemmaModel", {}),
    ("GemmaForCausalLM", {}),
    ("Gemma2Model", WINDOW),
    ("Gemma3TextModel", WINDOW),
    ("LlamaModel", {}),
    ("Qwen3Model", {}),
]


@pytest.mark.parametrize(("family", "options"), FAMILIES)
def test_the_stock_class_elsewhere_reads_a_bidirectional_model(
    decoder: Callable[..., Path], stock: Callable[..., Any], tmp_path: Path, family: str, options: dict[str, Any]
) -> None:
    """With ``is_causal`` in config.json, or the scores of a process that has never heard of us were causal."""
    model = cross_encoder(decoder(family, **options))
    saved = save(model, tmp_path / "saved")
    scores, *_ = stock(saved, PAIRS)
    assert scores == pytest.approx(model.predict(PAIRS).tolist(), abs=1e-5)
    verify_bidirectional(CrossEncoder(str(saved)))
    model.config.is_causal = True
    assert model.predict(PAIRS).tolist() != pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(("family", "options"), FAMILIES)
def test_causal_attention_is_transformers_own(
    decoder: Callable[..., Path], family: str, options: dict[str, Any]
) -> None:
    """The decoder as it was, on the right-padded batch."""
    folder = decoder(family, **options)
    ours = backbone(folder, attention="causal")
    own = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = transformers.AutoTokenizer.from_pretrained(folder)([a for a, _ in PAIRS], padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = ours.eval()(dict(batch))["token_embeddings"]
        expected = own(**batch).last_hidden_state
    real = batch["attention_mask"].bool()
    assert torch.allclose(states[real], expected[real], atol=1e-5)


def test_the_flag_is_set_although_config_json_lacks_it(tiny_gemma: Path) -> None:
    """Field notes: ``config_kwargs={"is_causal": False}`` is silently ignored where config.json lacks the key."""
    assert "is_causal" not in (tiny_gemma / "config.json").read_text()
    assert backbone(tiny_gemma).model.config.is_causal is False
    assert backbone(tiny_gemma, attention="causal").model.config.is_causal is True


def test_a_model_saved_with_the_other_mask_is_read_with_the_one_asked_for(tiny_gemma: Path, tmp_path: Path) -> None:
    """What config.json says gives way."""
    backbone(tiny_gemma, attention="causal").save(str(tmp_path))
    verify_bidirectional(backbone(tmp_path).model)


def test_embeddinggemma_keeps_its_own_mask(decoder: Callable[..., Path], tmp_path: Path) -> None:
    """Field notes: its own flag halves the window, so ``is_causal=False`` would give it another one."""
    folder = decoder("Gemma3TextModel", use_bidirectional_attention=True, **WINDOW)
    model = cross_encoder(folder)
    own = transformers.AutoModel.from_pretrained(folder).eval()
    text = PAIRS[0][1]
    batch = model.tokenizer(text, return_tensors="pt")
    assert batch["input_ids"].shape[1] > WINDOW["sliding_window"] + 1
    with torch.inference_mode():
        states = model[0].eval()(dict(batch))["token_embeddings"]
        assert torch.allclose(states, own(**batch).last_hidden_state, atol=1e-6)
        model.config.is_causal = False
        assert not torch.allclose(states, model[0](dict(batch))["token_embeddings"], atol=1e-6)
    with pytest.raises(ModelError, match="is bidirectional.*causal was asked for"):
        cross_encoder(folder, attention="causal")


def test_t5gemma_runs_its_encoder(decoder: Callable[..., Path], stock: Callable[..., Any], tmp_path: Path) -> None:
    """Field notes: in the stock class such a checkpoint runs its decoder. Its encoder has a mask of its own."""
    shape = transformers.AutoConfig.from_pretrained(decoder("GemmaModel")).to_dict()
    kept = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim")
    half = transformers.T5GemmaModuleConfig(**{name: shape[name] for name in kept}, **WINDOW, num_key_value_heads=1)
    folder = decoder("T5GemmaModel", encoder=half.to_dict(), decoder=half.to_dict())
    model = cross_encoder(folder)
    batch = model.tokenizer(*PAIRS[0], return_tensors="pt")
    encoder = transformers.T5GemmaModel.from_pretrained(folder).eval().encoder
    with torch.inference_mode():
        states = model[0].eval()(dict(batch))["token_embeddings"]
        assert torch.allclose(states, encoder(**batch).last_hidden_state, atol=1e-6)
    scores, *_ = stock(save(model, tmp_path / "saved"), PAIRS)
    assert scores == pytest.approx(model.predict(PAIRS).tolist(), abs=1e-5)
    with pytest.raises(ModelError, match="is bidirectional.*causal was asked for"):
        cross_encoder(folder, attention="causal")


def test_the_broken_flag_of_gemma_does_no_harm(decoder: Callable[..., Path]) -> None:
    """Field notes: on Gemma ``use_bidirectional_attention=True`` makes padded batches causal."""
    verify_bidirectional(backbone(decoder("GemmaModel", use_bidirectional_attention=True)).model)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_side_is_saved(tiny_gemma: Path, tmp_path: Path, side: str) -> None:
    """Field notes: ``tokenizer.padding_side`` set after loading is not saved."""
    backbone(tiny_gemma, padding_side=side).save(str(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.padding_side == side
    mask = tokenizer(["a", "a longer text"], padding=True)["attention_mask"][0]
    assert mask[0 if side == "left" else -1] == 0


def test_the_pair_template_and_the_length_are_saved(tiny_gemma: Path, tmp_path: Path) -> None:
    """Field notes: without a template a pair is ``<bos>A<bos>B`` and ends in nothing."""
    backbone(tiny_gemma, max_length=20).save(str(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("work", "license " * 40, truncation=True)["input_ids"])
    assert len(tokens) == tokenizer.model_max_length == 20
    assert [tokens[0], tokens[1], tokens[-1]] == ["<bos>", "<query>", "<eos>"]
    assert tokens.count("<document>") == tokens.count("<bos>") == 1


def test_a_tokenizer_without_a_padding_token_gets_one(decoder: Callable[..., Path], stock: Callable[..., Any]) -> None:
    """Field notes: "Cannot handle batch sizes > 1 if no padding token" elsewhere."""
    folder = decoder("LlamaModel")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    assert transformers.AutoTokenizer.from_pretrained(folder).pad_token is None
    model = cross_encoder(folder)
    together, alone = model.predict(PAIRS), [model.predict(pair) for pair in PAIRS]
    assert together == pytest.approx(alone, abs=1e-5)
    scores, *_ = stock(save(model, folder / "saved"), PAIRS)
    assert scores == pytest.approx(together.tolist(), abs=1e-5)


def test_dtype_and_attention_implementation_are_passed_on(tiny_gemma: Path) -> None:
    """To transformers."""
    module = backbone(tiny_gemma, dtype="bfloat16", attn_implementation="eager")
    assert module.model.dtype == torch.bfloat16
    assert module.model.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "both"}, "attention='both' is not known; use one of bidirectional, causal"),
        ({"padding_side": "middle"}, "padding_side='middle' is not known; use one of left, right"),
        ({"dtype": "float99"}, "dtype='float99' is not known; use one of float32, bfloat16, float16"),
        ({"max_length": 0}, "max_length=0 leaves no room for a token; give at least 1"),
        ({"attn_implementation": "magic"}, 'Specified `attn_implementation="magic"` is not supported'),
        ({"attn_implementation": "flash_attention_2"}, "FlashAttention2"),
    ],
)
def test_a_wrong_argument_is_one_line(tiny_gemma: Path, options: dict[str, Any], message: str) -> None:
    """Ours, or what transformers says of it."""
    with pytest.raises(ModelError) as error:
        backbone(tiny_gemma, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_sdpa_on_gemma_2_is_one_line(decoder: Callable[..., Path]) -> None:
    """Field notes: its soft cap keeps it from sdpa, so it runs eager unless asked otherwise."""
    folder = decoder("Gemma2Model")
    assert backbone(folder).model.config._attn_implementation == "eager"
    with pytest.raises(ModelError, match=r"^model '.*' cannot be loaded: Gemma2Model does not support"):
        backbone(folder, attn_implementation="sdpa")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "cannot be loaded: Unrecognized model"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"cut"),
            "cannot be loaded: Error while deserializing",
        ),
        (lambda folder: [path.unlink() for path in folder.glob("tokenizer*")], "no tokenizer of its own"),
    ],
)
def test_a_source_that_cannot_be_loaded_is_one_line(
    tiny_gemma: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    """Whatever the library raised."""
    folder = Path(shutil.copytree(tiny_gemma, tmp_path / "damaged"))
    damage(folder)
    with pytest.raises(ModelError, match=message) as error:
        backbone(folder)
    assert "\n" not in str(error.value)


def test_a_hub_id_that_is_not_to_be_had_is_one_line() -> None:
    """Offline, or because there is none."""
    with pytest.raises(ModelError, match="^model 'nobody/nothing' cannot be loaded: We couldn't connect"):
        backbone("nobody/nothing")
