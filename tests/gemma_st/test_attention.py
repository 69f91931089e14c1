"""Tests of gemma_st.attention: what the proof sees, what it does not let pass, and what it leaves as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from gemma_st import ModelError, verify_bidirectional
from gemma_st.attention import verify_attention
from gemma_st.backbone import backbone

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "max_position_embeddings": 128}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
WINDOW = {"sliding_window": 12, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}


def network(
    family: str, implementation: str, *, vocab_size: int = 100, **options: object
) -> transformers.PreTrainedModel:
    """Return a small random decoder."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=vocab_size, pad_token_id=0, **SHAPE, **HEADS, **options
    )
    return getattr(transformers, f"{family}Model")._from_config(config, attn_implementation=implementation)


FAMILIES = [
    ("Gemma", "sdpa", {}),
    ("Gemma", "eager", {}),
    ("Gemma2", "eager", WINDOW),  # its soft cap keeps it from sdpa
    ("Gemma3Text", "sdpa", WINDOW),
    ("Gemma3Text", "eager", WINDOW),
    ("Llama", "sdpa", {}),
    ("Qwen3", "sdpa", {**WINDOW, "use_sliding_window": True}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("family", "implementation", "options"), FAMILIES)
def test_tells_bidirectional_from_causal(
    family: str, implementation: str, options: dict[str, Any], dtype: torch.dtype
) -> None:
    """In every family, by either attention implementation, in bfloat16 too."""
    model = network(family, implementation, **options).to(dtype)
    verify_attention(model, "causal")  # what a decoder is by default
    with pytest.raises(ModelError, match="is causal in layer 0 for one text"):
        verify_bidirectional(model)
    model.config.is_causal = False
    verify_bidirectional(model)
    with pytest.raises(ModelError, match="is bidirectional in layer 0 for one text"):
        verify_attention(model, "causal")


@pytest.mark.parametrize(("implementation", "case"), [("sdpa", "a padded batch"), ("eager", "one text")])
def test_the_broken_flag_of_gemma_is_caught(implementation: str, case: str) -> None:
    """Field notes: under sdpa the flag holds for an unpadded batch only; eager ignores it."""
    model = network("Gemma", implementation, use_bidirectional_attention=True)
    with pytest.raises(ModelError, match=f"is causal in layer 0 for {case} .{implementation}.*is_causal"):
        verify_bidirectional(model)


def test_the_own_flag_of_gemma_3_passes() -> None:
    """EmbeddingGemma's: half the window, on both sides."""
    model = network("Gemma3Text", "sdpa", use_bidirectional_attention=True, **WINDOW)
    assert model.config.sliding_window == WINDOW["sliding_window"] // 2 + 1
    verify_bidirectional(model)


def test_one_causal_layer_among_bidirectional_ones_is_caught() -> None:
    """The model as a whole would still let the first token move."""
    model = network("Gemma3Text", "sdpa", **WINDOW)
    model.config.is_causal = False

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**given, "attention_mask": None, "is_causal": True}

    model.layers[1].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 1 for one text"):
        verify_bidirectional(model)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_that_is_causal_only_where_padded_is_caught(side: str) -> None:
    """On either side."""
    model = network("Gemma", "eager")
    model.config.is_causal = False

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = given["attention_mask"]
        rows = [] if mask is None else [row for row in mask if row[0, 0, 0 if side == "left" else -1] < 0]
        for row in rows:
            row[0] += torch.full_like(row[0], torch.finfo(row.dtype).min).triu(1)
        return args, given

    model.layers[0].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 0 for a padded batch"):
        verify_bidirectional(model)


def test_a_mask_that_turns_causal_beyond_the_window_is_caught() -> None:
    """Short texts do not show it."""
    model = network("Gemma3Text", "sdpa", **WINDOW)
    model.config.is_causal = False

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if given["hidden_states"].shape[1] <= WINDOW["sliding_window"]:
            return args, given
        return args, {**given, "attention_mask": None, "is_causal": True}

    model.layers[2].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 2 for a text longer than the sliding window"):
        verify_bidirectional(model)


def test_the_window_is_what_the_docstring_says() -> None:
    """A window w reaches w to either side under ``is_causal=False``: no farther, no less."""
    model = network("Gemma3Text", "eager", **WINDOW).eval()
    model.config.is_causal = False
    tokens = torch.arange(1, 31)[None]
    seen = model(tokens, output_attentions=True).attentions
    reach = [int((layer[0, 0, 0] > 0).nonzero().max()) for layer in seen]
    assert reach == [12, 29, 12]


def test_holds_where_the_residual_stream_drowns_every_change() -> None:
    """With states of 1e9 no float32 output moves for one other token; the mask is bidirectional all the same."""
    model = network("Gemma", "sdpa").eval()
    model.config.is_causal = False
    model.embed_tokens.weight.data *= 1e9
    tokens = torch.arange(1, 9)[None]
    other = torch.cat([tokens[:, :-1], torch.tensor([[50]])], 1)
    with torch.inference_mode():
        assert model(tokens).last_hidden_state[0, 0].equal(model(other).last_hidden_state[0, 0])
    verify_bidirectional(model)
    model.config.is_causal = True
    verify_attention(model, "causal")


@pytest.mark.parametrize("vocab_size", [2, 9])
def test_a_small_vocabulary_with_padding_among_the_tokens_is_enough(vocab_size: int) -> None:
    """The padding token has a state of zeros, which must be changed as well."""
    model = network("Gemma", "sdpa", vocab_size=vocab_size)
    model.config.is_causal = False
    verify_bidirectional(model)


def test_leaves_mode_random_state_configuration_and_hooks_as_they_were() -> None:
    """Whether it passes or raises."""
    model = network("Gemma", "sdpa", attention_dropout=0.5)
    model.config.is_causal = False
    model.train()
    model.layers[1].eval()  # frozen by its owner
    before = [module.training for module in model.modules()], torch.get_rng_state(), model.config.to_dict()
    verify_bidirectional(model)
    assert [module.training for module in model.modules()] == before[0]
    assert torch.get_rng_state().equal(before[1])
    assert model.config.to_dict() == before[2]
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks for module in model.modules())
    model.config.is_causal = True
    with pytest.raises(ModelError):
        verify_bidirectional(model)
    assert [module.training for module in model.modules()] == before[0]
    assert not any(module._forward_hooks for module in model.modules())


def test_takes_sentence_transformers_modules_and_whole_models(tiny_gemma: Path, tiny_reranker: Path) -> None:
    """Stock ones among them."""
    from sentence_transformers import CrossEncoder

    verify_bidirectional(CrossEncoder(str(tiny_reranker), device="cpu"))
    verify_bidirectional(backbone(tiny_gemma).model)


@pytest.mark.parametrize(
    "other",
    [lambda: torch.nn.Linear(2, 2), lambda: transformers.BertModel(transformers.BertConfig(num_hidden_layers=1))],
)
def test_what_holds_no_decoder_is_refused(other: Callable[[], torch.nn.Module]) -> None:
    """Nothing was tested, so nothing is said."""
    with pytest.raises(ModelError, match="holds no transformers decoder"):
        verify_bidirectional(other())


def test_what_runs_none_of_its_layers_is_refused() -> None:
    """A proof of nothing would pass."""
    model = network("Gemma", "sdpa")
    model.config.num_hidden_layers = 0
    with pytest.raises(ModelError, match="GemmaModel ran none of its attention layers"):
        verify_bidirectional(model)
