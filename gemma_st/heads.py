"""What stands behind the pooler: normalise, Dense, activation, Dense; stock modules only."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def mlp_head(hidden_size: int, *, labels: int = 1, dropout: float = 0.0) -> "list[nn.Module]":
    """Build the MLP head of a cross-encoder.

    ``scores = W₂ · gelu(W₁ · LayerNorm(pooled))``, from ``(batch, hidden_size)`` to ``(batch, labels)``. A pooled Gemma
    state has a norm in the hundreds, which a bare linear layer turns into wild scores: hence the normalisation.

    Args:
        hidden_size: Width of the pooled vector.
        labels: One for ranking and regression, the number of classes for classification.
        dropout: Share of hidden units dropped while training.
    """
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm
    from torch import nn

    head: list[nn.Module] = [LayerNorm(hidden_size), Dense(hidden_size, hidden_size, activation_function=nn.GELU())]
    if dropout:
        head.append(Dropout(dropout))
    head.append(Dense(hidden_size, labels, activation_function=nn.Identity(), module_output_name="scores"))
    return head
