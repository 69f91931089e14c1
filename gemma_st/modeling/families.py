"""What is peculiar to each family of decoders: one table, read by the loading and the proof, quoted by the docs."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

IMPLEMENTATIONS = ("eager", "sdpa", "flex_attention", "flash_attention_2")  # what transformers itself knows everywhere
WITHOUT_SDPA = ("eager", "flex_attention", "flash_attention_2")  # sdpa cannot cap the attention's logits


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        name: What people call it.
        mask: The key of config.json that makes the attention bidirectional.
        window: What a token sees in a layer with a sliding window w, under that key.
        implementations: Of attention, that transformers accepts for it.
        not_in: Weight types it overflows in.
        part: Where a checkpoint of several parts keeps the configuration of its text encoder.
        tensors: Pattern → replacement, which turn a checkpoint's names of tensors into those of the text encoder alone.
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
        # Its encoder differs from a bidirectional Gemma 2 by the names of two norms, and in nothing else.
        tensors={
            r"^(model\.)?encoder\.": "",
            r"pre_self_attn_layernorm": "input_layernorm",
            r"post_self_attn_layernorm": "post_attention_layernorm",
        },
    ),
}
OTHER = Family("any other decoder that honours is_causal", window="what transformers makes of it")


def family(config: "PreTrainedConfig") -> Family:
    """Return the row of a model's configuration, ``OTHER`` where it has none of its own."""
    if config.model_type == "gemma3_text" and config.use_bidirectional_attention:
        return FAMILIES["embeddinggemma"]
    return FAMILIES.get(config.model_type, OTHER)


def encoder_config(config: "PreTrainedConfig", attention: str) -> "PreTrainedConfig":
    """Return the configuration of the text encoder alone, with the mask asked for; the one given stays as it is.

    Args:
        config: What config.json says: of a decoder, or of a multimodal Gemma 3 or a T5Gemma, which hold one.
        attention: ``"bidirectional"`` or ``"causal"``.

    Raises:
        ModelError: It is of another model with several parts.
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
    plain.use_cache = False  # as sentence-transformers sets it: nothing is generated
    _set_mask(plain, attention)
    return plain


def _set_mask(config: "PreTrainedConfig", attention: str) -> None:
    own_flag = family(config).mask == OWN_FLAG
    if own_flag and attention == "bidirectional":
        # EmbeddingGemma was trained under its own flag, whose window is another; is_causal would overrule it where
        # flash attention reads it.
        if hasattr(config, "is_causal"):
            del config.is_causal
        return
    if own_flag:
        config.sliding_window = config.to_dict()["sliding_window"]  # the flag had halved it on reading
    if config.model_type in FAMILIES:
        # On Gemma 1 and 2 it is broken: ignored, or heeded where nothing is padded only.
        config.use_bidirectional_attention = False
    config.is_causal = attention == "causal"


def _gemma2(encoder: "PreTrainedConfig") -> "PreTrainedConfig":
    """Return the configuration of the Gemma 2 that a T5Gemma's encoder is."""
    from transformers import Gemma2Config

    about = {"model_type", "architectures", "transformers_version"}
    shared: dict[str, Any] = {
        key: value for key, value in encoder.to_dict().items() if key in Gemma2Config().to_dict() and key not in about
    }
    return Gemma2Config(**shared)
