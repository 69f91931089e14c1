"""Properties of each family of decoders: one table, read by the loader, the mask check and the documentation."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

IMPLEMENTATIONS = ("eager", "sdpa", "flex_attention", "flash_attention_2")  # implementations built into transformers
WITHOUT_SDPA = ("eager", "flex_attention", "flash_attention_2")  # sdpa cannot cap the attention logits


@dataclass(frozen=True)
class Family:
    """A family of decoders.

    Attributes:
        name: Name in the documentation and in error messages.
        mask: Key of config.json that makes the attention bidirectional.
        window: Tokens that a token sees in a layer with a sliding window of w tokens, under that key.
        implementations: Attention implementations that transformers accepts for the family.
        not_in: Weight types in which the family overflows.
        part: Key of the text encoder's configuration in a checkpoint of several parts; empty for a single part.
        tensors: Pattern → replacement, which turn a checkpoint's tensor names into those of the text encoder alone.

    Examples:
        >>> FAMILIES["gemma2"].implementations
        ('eager', 'flex_attention', 'flash_attention_2')
    """

    name: str
    mask: str = "is_causal=false"
    window: str = "every token at a distance of up to w, on both sides"
    implementations: tuple[str, ...] = IMPLEMENTATIONS
    not_in: tuple[str, ...] = ()
    part: str = ""
    tensors: Mapping[str, str] = field(default_factory=dict)


OWN_FLAG = "use_bidirectional_attention=true"
FAMILIES = {
    "gemma": Family("Gemma 1", window="has none"),
    "gemma2": Family("Gemma 2", implementations=WITHOUT_SDPA),
    "gemma3_text": Family("Gemma 3", not_in=("float16",)),
    "gemma3": Family(
        "Gemma 3, multimodal",
        not_in=("float16",),
        part="text_config",
        tensors={r"^(model\.)?language_model\.(model\.)?": ""},
    ),
    "embeddinggemma": Family(
        "EmbeddingGemma",
        mask=OWN_FLAG,
        window="every token at a distance of up to w/2, on both sides",
        not_in=("float16",),
    ),
    "t5gemma": Family(
        "T5Gemma, its encoder as a Gemma 2",
        implementations=WITHOUT_SDPA,
        part="encoder",
        # Its encoder differs from a bidirectional Gemma 2 only by the names of two norms.
        tensors={
            r"^(model\.)?encoder\.": "",
            r"pre_self_attn_layernorm": "input_layernorm",
            r"post_self_attn_layernorm": "post_attention_layernorm",
        },
    ),
}
OTHER = Family("any other decoder that honours is_causal", window="what transformers makes of it")


def family(config: "PreTrainedConfig") -> Family:
    """Return the family of a transformers configuration; ``OTHER`` if the table has no row for it.

    Examples:
        >>> from transformers import Gemma3TextConfig
        >>> family(Gemma3TextConfig()).name
        'Gemma 3'
    """
    if config.model_type == "gemma3_text" and config.use_bidirectional_attention:
        return FAMILIES["embeddinggemma"]
    return FAMILIES.get(config.model_type, OTHER)


def encoder_config(config: "PreTrainedConfig") -> "PreTrainedConfig":
    """Return a copy of a decoder's configuration, or of that of the text encoder in a multimodal Gemma 3 or a T5Gemma.

    Another model of several parts is a ModelError.

    Examples:
        >>> from transformers import T5GemmaConfig
        >>> encoder_config(T5GemmaConfig()).model_type
        'gemma2'
    """
    kind = family(config)
    if kind is OTHER and (config.is_encoder_decoder or config.get_text_config() is not config):
        raise ModelError(
            f"{type(config).__name__} describes a model of several parts; expected a decoder of text, "
            "a multimodal Gemma 3 or a T5Gemma: save its text decoder alone and load that"
        )
    plain = copy.deepcopy(getattr(config, kind.part) if kind.part else config)
    if plain.model_type == "t5_gemma_module":
        plain = _gemma2(plain)
    plain.use_cache = False  # an encoder generates nothing; sentence-transformers sets the same
    return plain


def _gemma2(encoder: "PreTrainedConfig") -> "PreTrainedConfig":
    """Return the Gemma 2 configuration that is equivalent to a T5Gemma's encoder."""
    from transformers import Gemma2Config

    about = {"model_type", "architectures", "transformers_version"}
    shared: dict[str, Any] = {
        key: value for key, value in encoder.to_dict().items() if key in Gemma2Config().to_dict() and key not in about
    }
    return Gemma2Config(**shared)
