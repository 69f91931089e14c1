"""The attention mask of an encoder: setting it in the configuration, and verifying it by perturbation.

We perturb the embedding of one token and check that the hidden states of all earlier tokens change. The mask is
verified at every build and load, because libraries fall back to a causal mask silently (an ignored flag, an attention
implementation that does not honour it, another code path for padded batches) and the scores still look plausible.
The forward passes of the check are in ``gemma_st.modeling.perturbation``.
"""

from contextlib import closing
from typing import TYPE_CHECKING, Literal

from gemma_st.errors import ModelError
from gemma_st.modeling.families import FAMILIES, OWN_FLAG, family
from gemma_st.modeling.perturbation import perturb

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

Attention = Literal["bidirectional", "causal"]


def set_mask(config: "PreTrainedConfig", attention: Attention) -> None:
    """Set the attention mask in the configuration of a decoder, where every later load reads it.

    Args:
        config: The transformers configuration; it is changed in place.
        attention: ``"bidirectional"`` lets every token see every other token; ``"causal"`` only the tokens before it.

    Example:
        >>> from transformers import GemmaConfig
        >>> config = GemmaConfig()
        >>> set_mask(config, "bidirectional")
        >>> config.is_causal
        False
    """
    own_flag = family(config).mask == OWN_FLAG
    if own_flag and attention == "bidirectional":
        # EmbeddingGemma was trained with its own flag, which means a narrower sliding window. Flash attention would
        # read is_causal instead of the flag, so is_causal must be absent.
        if hasattr(config, "is_causal"):
            del config.is_causal
        return
    if own_flag:
        config.sliding_window = config.to_dict()["sliding_window"]  # the flag halved the window when it was read
    if config.model_type in FAMILIES:
        # Gemma 1 and 2 ignore this flag or, under sdpa, honour it in unpadded batches only.
        config.use_bidirectional_attention = False
    config.is_causal = attention == "causal"


def verify_bidirectional(model: "nn.Module") -> None:
    """Verify by perturbation that in every kind of attention layer each token sees the tokens after it.

    A layer with a sliding window of w tokens sees the tokens at a distance of up to w on either side under
    ``is_causal=False``, and of less than ``config.sliding_window`` under EmbeddingGemma's own flag, which halves that
    number. So the farthest token perturbed in such a layer is w - 1 tokens away; in any other layer it is the last
    token of the text.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model, with or
            without an adapter.

    Raises:
        ModelError: A token does not see a token after it: in a single text, in a padded batch, or above the window.

    Example:
        >>> from gemma_st.modeling.backbone import backbone
        >>> verify_bidirectional(backbone("decoder").model)
        >>> verify_bidirectional(backbone("decoder", attention="causal").model)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: the attention of GemmaModel is causal in layer 0 for one text (sdpa), but ...
    """
    verify_attention(model, "bidirectional")


def verify_attention(model: "nn.Module", attention: Attention) -> None:
    """Verify by perturbation that the attention mask is the given one; the model is left unchanged.

    Args:
        model: As for [gemma_st.modeling.masks.verify_bidirectional][].
        attention: The expected mask, ``"bidirectional"`` or ``"causal"``.

    Raises:
        ModelError: A layer has another mask.

    Example:
        >>> from gemma_st.modeling.backbone import backbone
        >>> verify_attention(backbone("decoder", attention="causal").model, "causal")
    """
    with closing(perturb(model)) as observations:
        for network, case, layer, changed in observations:
            if changed == {attention == "bidirectional"}:
                continue
            found = "bidirectional in part" if len(changed) > 1 else "bidirectional" if True in changed else "causal"
            raise ModelError(
                f"the attention of {type(network).__name__} is {found} in layer {layer} for {case} "
                f"({network.config._attn_implementation}), but {attention} was asked for; "
                "set config.is_causal after loading and use attn_implementation='sdpa' or 'eager'"
            )
