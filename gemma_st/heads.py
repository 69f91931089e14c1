"""What stands behind the pooler: normalise, Dense, activation, Dense; stock modules only."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def mlp_head(hidden_size: int, *, labels: int = 1) -> "list[nn.Module]":
    """Build the MLP head of a cross-encoder.

    ``scores = W₂ · dropout(gelu(W₁ · LayerNorm(pooled)))``, from ``(batch, hidden_size)`` to ``(batch, labels)``. A
    pooled Gemma state has a norm in the hundreds, which a bare linear layer turns into wild scores: hence the
    normalisation. The dropout is not part of the model: [gemma_st.dropout][] adds it while training.

    Args:
        hidden_size: Width of the pooled vector.
        labels: One for ranking and regression, the number of classes for classification.
    """
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import LayerNorm
    from torch import nn

    return [
        LayerNorm(hidden_size),
        Dense(hidden_size, hidden_size, activation_function=nn.GELU()),
        Dense(hidden_size, labels, activation_function=nn.Identity(), module_output_name="scores"),
    ]
