"""Tests of gemma_st.modeling.backbone: the mask, the padding side and the tokens that a saved model keeps."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from sentence_transformers.base.modules import Transformer

from gemma_st import CrossEncoder, ModelError, verify_bidirectional
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.masks import verify_attention
from tests.gemma_st.conftest import PAIRS, gemma_tokenizer

WINDOW = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
FAMILIES = [
    ("GemmaForCausalLM", {}),
    ("Gemma2Model", WINDOW),
    ("Gemma3TextModel", WINDOW),
    ("Gemma3TextModel", {**WINDOW, "use_bidirectional_attention": True}),
    ("T5GemmaModel", WINDOW),
    ("LlamaModel", {}),
    ("Qwen3Model", {}),
]


def t5gemma(decoder: Callable[..., Path], **options: object) -> Path:
    """Save a T5Gemma whose encoder and decoder have the same shape."""
    shape = transformers.AutoConfig.from_pretrained(decoder("GemmaModel")).to_dict()
    kept = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim")
    half = {**{name: shape[name] for name in kept}, **options, "num_key_value_heads": 1}
    return decoder("T5GemmaModel", encoder=dict(half), decoder=dict(half))


@pytest.mark.parametrize(("family", "options"), FAMILIES)
def test_the_stock_class_elsewhere_reads_a_bidirectional_model(
    decoder: Callable[..., Path], stock: Callable[..., Any], tmp_path: Path, family: str, options: dict[str, Any]
) -> None:
    """config.json holds ``is_causal``; without it the stock class would compute causal scores."""
    model = cross_encoder(t5gemma(decoder, **options) if family == "T5GemmaModel" else decoder(family, **options))
    saved = save(model, tmp_path / "saved")
    scores, *_ = stock(saved, PAIRS)
    assert scores == pytest.approx(model.predict(PAIRS).tolist(), abs=1e-5)
    verify_bidirectional(CrossEncoder(str(saved)))
    model.config.is_causal, model.config.use_bidirectional_attention = True, False
    assert model.predict(PAIRS).tolist() != pytest.approx(scores, abs=1e-5)


def test_the_flag_is_set_although_config_json_lacks_it(tiny_gemma: Path) -> None:
    """Field notes: ``config_kwargs={"is_causal": False}`` is silently ignored where config.json lacks the key."""
    assert "is_causal" not in (tiny_gemma / "config.json").read_text()
    assert not hasattr(Transformer(str(tiny_gemma), config_kwargs={"is_causal": False}).config, "is_causal")
    assert backbone(tiny_gemma).model.config.is_causal is False
    assert backbone(tiny_gemma, attention="causal").model.config.is_causal is True


def test_a_model_saved_with_the_other_mask_is_read_with_the_one_asked_for(tiny_gemma: Path, tmp_path: Path) -> None:
    """The argument overrides config.json."""
    backbone(tiny_gemma, attention="causal").save(str(tmp_path))
    verify_bidirectional(backbone(tmp_path).model)


@pytest.mark.parametrize("family", ["GemmaModel", "Gemma2Model"])
@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_the_broken_flag_of_gemma_does_no_harm(decoder: Callable[..., Path], family: str, attention: str) -> None:
    """Field notes: ``use_bidirectional_attention=True`` is ignored, or makes padded batches causal and others not."""
    folder = decoder(family, use_bidirectional_attention=True)
    with pytest.raises(ModelError, match="is causal"):
        verify_bidirectional(transformers.AutoModel.from_pretrained(folder))
    verify_attention(backbone(folder, attention=attention).model, attention)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_padding_side_is_saved(tiny_gemma: Path, tmp_path: Path, side: str) -> None:
    """Field notes: ``tokenizer.padding_side`` set after loading is not saved."""
    backbone(tiny_gemma, padding_side=side).save(str(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.padding_side == side
    mask = tokenizer(["a", "a longer text"], padding=True)["attention_mask"][0]
    assert mask[0 if side == "left" else -1] == 0


def test_the_pair_template_and_the_length_are_saved(tiny_gemma: Path, tmp_path: Path) -> None:
    """Field notes: without a template a pair is ``<bos>A<bos>B`` without an end token."""
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


def test_a_tokenizer_without_any_end_is_one_line(decoder: Callable[..., Path]) -> None:
    """There is no token to pad rows with."""
    folder = decoder("LlamaModel")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token = None
    with pytest.raises(ModelError, match="neither a padding nor an end token; set its tokenizer's pad_token"):
        backbone(folder, tokenizer=tokenizer)


def test_dtype_and_attention_implementation_are_passed_on(tiny_gemma: Path) -> None:
    """They reach transformers."""
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
    """The message is ours or that of transformers."""
    with pytest.raises(ModelError) as error:
        backbone(tiny_gemma, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "cannot be loaded: Unrecognized model"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"cut"),
            "cannot be loaded: Error while deserializing",
        ),
        (
            lambda folder: [path.unlink() for path in folder.glob("tokenizer*")],
            "has no tokenizer: every word is encoded as unknown",
        ),
    ],
)
def test_a_source_that_cannot_be_loaded_is_one_line(
    tiny_gemma: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    """This holds for every exception of the libraries."""
    folder = Path(shutil.copytree(tiny_gemma, tmp_path / "damaged"))
    damage(folder)
    with pytest.raises(ModelError, match=message) as error:
        backbone(folder)
    assert "\n" not in str(error.value)


def test_a_hub_id_that_is_not_to_be_had_is_one_line() -> None:
    """The machine is offline, or there is no such model."""
    with pytest.raises(ModelError, match="^model 'nobody/nothing' cannot be loaded: We couldn't connect"):
        backbone("nobody/nothing")


@pytest.mark.parametrize("given", [False, True])
def test_a_tokenizer_is_made_once_and_is_no_other_model_s(
    decoder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    """That of a Gemma takes seconds to read; one that is given stays as it is."""
    folder, tokenizer = decoder("GemmaModel"), gemma_tokenizer()
    for path in folder.glob("*token*"):
        path.unlink()
    tokenizer.save_pretrained(folder)
    made, initialise = [], transformers.GemmaTokenizer.__init__

    def counted(self: transformers.GemmaTokenizer, *args: object, **options: object) -> None:
        made.append(self)
        initialise(self, *args, **options)

    monkeypatch.setattr(transformers.GemmaTokenizer, "__init__", counted)
    module = backbone(folder, padding_side="left", max_length=32, tokenizer=tokenizer if given else None)
    assert made == [module.tokenizer]
    assert (module.tokenizer.padding_side, module.tokenizer.model_max_length) == ("left", 32)
    assert tokenizer.padding_side == "left"  # Gemma's own
    assert tokenizer.model_max_length > 32
    assert module.input_formatter.processor is module.tokenizer
