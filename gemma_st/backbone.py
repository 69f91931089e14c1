"""A pretrained decoder as the first module of a sentence-transformers model, with the attention mask of your choice."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gemma_st.errors import ModelError
from gemma_st.models import loading

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedTokenizerFast

Attention = Literal["bidirectional", "causal"]


def backbone(
    source: str | Path,
    *,
    attention: Attention = "bidirectional",
    padding_side: Literal["left", "right"] = "right",
    max_length: int | None = None,
    dtype: str = "float32",
    attn_implementation: str | None = None,
    revision: str | None = None,
) -> "Transformer":
    """Load a Gemma text decoder as a stock sentence-transformers ``Transformer``.

    The mask is nothing but ``is_causal`` in the transformers configuration, so that the saved model is a plain Gemma
    which any later load (stock, resumed, with an adapter) reads with the same mask.

    Args:
        source: A directory or a hub id.
        attention: ``"bidirectional"`` lets every token see every other; ``"causal"`` leaves the decoder as it was.
        padding_side: Where short rows are filled; kept in the saved tokenizer.
        max_length: Longest input in tokens; the model's own limit if not given.
        dtype: Weight type, as torch names it.
        attn_implementation: ``"sdpa"``, ``"eager"``, …; the model's default if not given.
        revision: Branch, tag or commit on the hub.

    Raises:
        ModelError: An argument is off, or the source cannot be loaded.
    """
    _check("attention", attention, ("bidirectional", "causal"))
    _check("padding_side", padding_side, ("left", "right"))
    _check("dtype", dtype, ("float32", "bfloat16", "float16"))
    if max_length is not None and max_length < 1:
        raise ModelError(f"max_length={max_length} leaves no room for a token; give at least 1")
    from sentence_transformers.base.modules import Transformer

    shared: dict[str, Any] = {"revision": revision} if revision else {}
    model_kwargs = {"dtype": dtype, **shared}
    if attn_implementation:
        model_kwargs["attn_implementation"] = attn_implementation
    processor_kwargs = {"padding_side": padding_side, **shared}
    if max_length:
        processor_kwargs["model_max_length"] = max_length
    with loading(source):
        module = Transformer(
            str(source),
            transformer_task="feature-extraction",
            model_kwargs=model_kwargs,
            processor_kwargs=processor_kwargs,
            config_kwargs=dict(shared),
        )
    _complete_tokenizer(module.tokenizer, str(source))
    config = module.model.config
    # Set after loading: transformers drops the flag silently when config.json lacks the key. EmbeddingGemma, trained
    # under Gemma 3's own flag, keeps that one: its window is another.
    if not (config.model_type == "gemma3_text" and config.use_bidirectional_attention):
        config.is_causal = attention == "causal"
    return module


def _complete_tokenizer(tokenizer: "PreTrainedTokenizerFast", source: str) -> None:
    """Refuse the empty tokenizer that is made up where its files are missing; let one without a pad token pad."""
    if set(tokenizer("token").input_ids) <= set(tokenizer.all_special_ids):
        raise ModelError(f"model {source!r} has no tokenizer of its own: every word is unknown to it; add its files")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{name}={value!r} is not known; use one of {', '.join(allowed)}")
