"""The masks and models that the check refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from gemma_st import ModelError, verify_bidirectional
from gemma_st.build import cross_encoder
from gemma_st.modeling.masks import verify_attention
from tests.gemma_st.conftest import make_deaf
from tests.gemma_st.modeling.masks.conftest import WINDOW, network


@pytest.mark.parametrize(("implementation", "case"), [("sdpa", "a padded batch"), ("eager", "one text")])
def test_the_broken_flag_of_gemma_is_caught(implementation: str, case: str) -> None:
    """Field notes: under sdpa the flag holds for an unpadded batch only; eager ignores it."""
    model = network("Gemma", implementation, use_bidirectional_attention=True)
    with pytest.raises(ModelError, match=f"is causal in layer 0 for {case} .{implementation}.*is_causal"):
        verify_bidirectional(model)


def test_one_causal_layer_among_bidirectional_ones_is_caught() -> None:
    """In the output of the whole model the first token would still change."""
    model = network("Gemma3Text", "sdpa", **WINDOW)
    model.config.is_causal = False

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**given, "attention_mask": None, "is_causal": True}

    model.layers[1].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 1 for one text"):
        verify_bidirectional(model)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_that_is_causal_only_where_padded_is_caught(side: str) -> None:
    """The padding is on either side."""
    model = network("Gemma", "eager")
    model.config.is_causal = False

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = given["attention_mask"]
        rows = [] if mask is None else [row for row in mask if row[0, 0, 0 if side == "left" else -1] < 0]
        for row in rows:
            row[0] += torch.full_like(row[0], torch.finfo(row.dtype).min).triu(1)
        return args, given

    model.layers[0].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="bidirectional in part in layer 0 for a padded batch"):
        verify_bidirectional(model)


@pytest.mark.parametrize("window", [12, 4096])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_mask_that_turns_causal_beyond_the_window_is_caught(window: int, implementation: str) -> None:
    """Short texts do not show the fault. A wide window is narrowed for the check and restored afterwards."""
    model = network("Gemma3Text", implementation, **{**WINDOW, "sliding_window": window})
    model.config.is_causal = False
    verify_bidirectional(model)

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        states = given["hidden_states"]
        if states.shape[1] > layer.sliding_window:
            given["attention_mask"] = torch.full((len(states), 1, *states.shape[1:2] * 2), -1e9).triu(1)
        return args, given

    model.layers[2].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 2 for a text longer than the sliding window"):
        verify_bidirectional(model)
    assert model.config.sliding_window == window
    assert {layer.self_attn.scaling for layer in model.layers} == {256**-0.5}
    assert [layer.self_attn.sliding_window for layer in model.layers] == [window, None, window]


def test_a_mask_that_lets_some_tokens_see_all_is_caught() -> None:
    """The first token sees the last one, but others do not."""
    model = network("Gemma", "eager")
    model.config.is_causal = False

    def prefix(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        length = given["hidden_states"].shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        mask[0] = 0
        return args, {**given, "attention_mask": mask[None, None]}

    model.layers[0].self_attn.register_forward_pre_hook(prefix, with_kwargs=True)
    for attention in ("bidirectional", "causal"):
        with pytest.raises(ModelError, match="bidirectional in part in layer 0 for one text"):
            verify_attention(model, attention)


def test_a_layer_that_is_causal_only_under_gradient_checkpointing_is_caught() -> None:
    """Training and prediction would use different masks."""
    model = network("Gemma3Text", "sdpa", **WINDOW)
    model.config.is_causal = False
    model.activation_checkpointing_enable()
    verify_bidirectional(model)

    def causal(layer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if not model.layers[1].training:
            return args, given
        return args, {**given, "attention_mask": None, "is_causal": True}

    model.layers[1].self_attn.register_forward_pre_hook(causal, with_kwargs=True)
    with pytest.raises(ModelError, match="causal in layer 1 for one text, checkpointed"):
        verify_bidirectional(model)


def test_a_block_that_somebody_rewrote_is_tested_for_itself() -> None:
    """A changed layer is a kind of its own."""
    model = network("Gemma", "sdpa")
    model.config.is_causal = False
    layer = model.layers[1].self_attn
    usual = layer.forward
    layer.forward = lambda **given: usual(**{**given, "attention_mask": None, "is_causal": True})
    with pytest.raises(ModelError, match="causal in layer 1 for one text"):
        verify_bidirectional(model)


def test_a_decoder_that_ignores_the_key_is_refused(
    decoder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older transformers ignores the key; under sdpa only padded batches show it."""
    make_deaf(monkeypatch)
    with pytest.raises(ModelError, match="the attention of GemmaModel is causal in layer 0 for a padded batch"):
        cross_encoder(decoder("GemmaModel"))


@pytest.mark.parametrize(
    "other",
    [
        lambda: torch.nn.Linear(2, 2),
        lambda: transformers.BertModel(transformers.BertConfig(num_hidden_layers=1)),
        lambda: transformers.BartModel(transformers.BartConfig(d_model=16, encoder_layers=1, decoder_layers=1)),
    ],
)
def test_what_holds_no_decoder_is_refused(other: Callable[[], torch.nn.Module]) -> None:
    """Nothing was tested, so the check must not pass."""
    with pytest.raises(ModelError, match="holds no transformers decoder"):
        verify_bidirectional(other())


def test_what_runs_none_of_its_layers_is_refused() -> None:
    """Nothing was tested, so the check must not pass."""
    model = network("Gemma", "sdpa")
    model.config.num_hidden_layers = 0
    with pytest.raises(ModelError, match="GemmaModel ran none of its attention layers"):
        verify_bidirectional(model)
