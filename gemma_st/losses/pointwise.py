"""Pointwise cross-entropy: the relevance of each document by itself, as in monoBERT (Nogueira and Cho, 2019)."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gemma_st.errors import ModelError
from gemma_st.losses.listwise import ListLoss


class PointwiseLoss(ListLoss):
    """``-Σ [y · log σ(score) + (1 - y) · log(1 - σ(score))] / n`` over the n candidates of each query.

    Args:
        model: A cross-encoder with one label.
        mini_batch_size: Number of pairs in one forward pass.

    Inputs:
        | Texts                               | Labels                    | Number of model output labels |
        |-------------------------------------|---------------------------|-------------------------------|
        | (query, [document, …]), any length  | [relevance, 0 to 1, …]    | 1                             |

    Relations:
        - Stock ``BinaryCrossEntropyLoss`` weighs each pair equally; this loss weighs each query equally.

    Examples:
        >>> import torch
        >>> from gemma_st import CrossEncoder
        >>> loss = PointwiseLoss(CrossEncoder("reranker"))
        >>> loss([["goldfish"], [["Goldfish grow.", "Gold is a metal."]]], [torch.tensor([1.0, 0.0])]).item() > 0
        True
    """

    needs_relevance = True

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query; raise `ModelError` if a label is below 0 or above 1."""
        if bool(((labels < 0) | (labels > 1)).any()):
            raise ModelError(
                f"pointwise loss with labels from {float(labels.min()):g} to {float(labels.max()):g}; expected 0 to 1; "
                "divide the grades by the highest grade"
            )
        losses = binary_cross_entropy_with_logits(scores, labels, reduction="none")
        return (losses * filled).sum(-1) / filled.sum(-1)
