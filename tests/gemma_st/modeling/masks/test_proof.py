"""The masks that pass the check, the layers that it runs, and the state that it leaves unchanged."""

from pathlib import Path
from typing import Any

import pytest
import torch

from gemma_st import ModelError, verify_bidirectional
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.masks import WINDOW as NARROWED, verify_attention
from tests.gemma_st.modeling.masks.conftest import WINDOW, network

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
    """This holds in every family, with both attention implementations, and in bfloat16."""
    model = network(family, implementation, **options).to(dtype)
    verify_attention(model, "causal")  # what a decoder is by default
    with pytest.raises(ModelError, match="is causal in layer 0 for one text"):
        verify_bidirectional(model)
    model.config.is_causal = False
    verify_bidirectional(model)
    with pytest.raises(ModelError, match="is bidirectional in layer 0 for one text"):
        verify_attention(model, "causal")


def test_the_own_flag_of_gemma_3_passes() -> None:
    """EmbeddingGemma's flag means half the window, on both sides."""
    model = network("Gemma3Text", "sdpa", use_bidirectional_attention=True, **WINDOW)
    assert model.config.sliding_window == WINDOW["sliding_window"] // 2 + 1
    verify_bidirectional(model)


@pytest.mark.parametrize(
    ("family", "options", "last"),
    [("Gemma", {}, 0), ("Gemma2", {"sliding_window": 4096}, 1), ("Gemma3Text", {"sliding_window": 512}, 5)],
)
def test_a_deep_model_is_run_no_farther_than_it_takes(family: str, options: dict[str, Any], last: int) -> None:
    """The check runs one attention layer of each kind and stops before the MLP of the last one."""
    model = network(family, "eager", **{**options, "num_hidden_layers": 18})
    model.config.is_causal = False
    runs: list[int] = []
    for number, layer in enumerate(model.layers):
        layer.mlp.register_forward_hook(lambda *_, number=number: runs.append(number))
    verify_bidirectional(model)
    assert set(runs) == set(range(last))
    assert len(runs) == last * (2 if family == "Gemma" else 4)


def test_a_wide_window_is_narrowed_while_it_is_proven() -> None:
    """The texts are longer than the narrowed window, but have not thousands of tokens."""
    model = network("Gemma2", "eager", num_hidden_layers=12, sliding_window=4096)
    model.config.is_causal = False
    widths: list[int] = []
    model.layers[0].register_forward_hook(lambda _, __, output: widths.append(output.shape[1]))
    verify_bidirectional(model)
    assert NARROWED < max(widths) <= NARROWED + 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["Gemma", "Gemma3Text", "Llama"])
def test_a_head_that_looks_at_one_token_only_is_not_taken_for_a_masked_one(family: str, dtype: torch.dtype) -> None:
    """Trained heads attend to few tokens; in bfloat16 no other token would then change their output."""
    model = network(family, "sdpa")
    with torch.no_grad():
        for layer in model.layers:
            layer.self_attn.q_proj.weight *= 1000
            if family == "Gemma3Text":  # it normalises what it looks for
                layer.self_attn.q_norm.weight += 30
    model.to(dtype)
    verify_attention(model, "causal")
    model.config.is_causal = False
    verify_bidirectional(model)


def test_a_forward_pass_afterwards_is_as_before() -> None:
    """The stopped forward pass of the check leaves nothing behind."""
    model = network("Gemma3Text", "sdpa", **WINDOW).eval()
    model.config.is_causal = False
    tokens = torch.arange(1, 31)[None]
    before = model(tokens, output_hidden_states=True)
    verify_bidirectional(model)
    after = model(tokens, output_hidden_states=True)
    assert before.last_hidden_state.equal(after.last_hidden_state)
    assert len(before.hidden_states) == len(after.hidden_states) == 4


def test_the_window_is_what_the_docstring_says() -> None:
    """Under ``is_causal=False`` a window of w tokens reaches exactly w tokens to either side."""
    model = network("Gemma3Text", "eager", **WINDOW).eval()
    model.config.is_causal = False
    tokens = torch.arange(1, 31)[None]
    seen = model(tokens, output_attentions=True).attentions
    reach = [int((layer[0, 0, 0] > 0).nonzero().max()) for layer in seen]
    assert reach == [12, 29, 12]


def test_holds_where_the_residual_stream_drowns_every_change() -> None:
    """With states of 1e9 one token does not change any float32 output, although the mask is bidirectional."""
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
    """The padding token has a state of zeros, which must be perturbed as well."""
    model = network("Gemma", "sdpa", vocab_size=vocab_size)
    model.config.is_causal = False
    verify_bidirectional(model)


def test_leaves_mode_random_state_configuration_and_hooks_as_they_were() -> None:
    """This holds if the check passes and if it raises."""
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
    """Stock modules and models are accepted too."""
    from sentence_transformers import CrossEncoder

    verify_bidirectional(CrossEncoder(str(tiny_reranker), device="cpu"))
    verify_bidirectional(backbone(tiny_gemma).model)
