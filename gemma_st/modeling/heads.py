"""Heads of a cross-encoder, made of stock modules: LayerNorm and Dense, with or without a hidden layer."""

from typing import TYPE_CHECKING

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

HEADS = ("mlp", "linear")


def make_head(name: str, hidden_size: int, *, labels: int = 1) -> "list[nn.Module]":
    """Make the head of a cross-encoder, from ``(batch, hidden_size)`` to ``(batch, labels)``.

    - ``"mlp"``: ``scores = W₂ · dropout(gelu(W₁ · LayerNorm(pooled)))``
    - ``"linear"``: ``scores = W · dropout(LayerNorm(pooled))``

    The LayerNorm is needed because a pooled Gemma state has a norm in the hundreds, which a linear layer alone turns
    into extreme scores. The dropout is not part of the model: [gemma_st.modeling.dropout][] adds it during training.

    Args:
        name: ``"mlp"`` or ``"linear"``.
        hidden_size: Width of the pooled vector.
        labels: 1 for ranking and regression, the number of classes for classification.

    Examples:
        >>> [type(module).__name__ for module in make_head("mlp", 32)]
        ['LayerNorm', 'Dense', 'Dense']
    """
    if name not in HEADS:
        raise ModelError(f"head={name!r} is not known; use one of {', '.join(HEADS)}")
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import LayerNorm
    from torch import nn

    hidden = [Dense(hidden_size, hidden_size, activation_function=nn.GELU())] if name == "mlp" else []
    last = Dense(hidden_size, labels, activation_function=nn.Identity(), module_output_name="scores")
    return [LayerNorm(hidden_size), *hidden, last]
