"""Poly-1: listwise softmax cross-entropy whose first polynomial term has a weight of its own."""

from typing import TYPE_CHECKING

from torch import Tensor

from gemma_st.losses.listwise import ListLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class Poly1SoftmaxLoss(ListLoss):
    """``Σ y · (-log p + ε · (1 - p))`` over the candidates of each query, with ``p = softmax(scores)``.

    Cross-entropy is the series ``Σ_j (1 - p)^j / j``; Poly-1 adds ε to the coefficient of its first term
    (PolyLoss, Leng et al., ICLR 2022, there with one relevant class).

    Args:
        model: A cross-encoder with one label.
        epsilon: Weight ε of the added term; -1 removes the first term of the series.
        mini_batch_size: Number of pairs in one forward pass.

    Inputs:
        | Texts                               | Labels                         | Number of model output labels |
        |-------------------------------------|--------------------------------|-------------------------------|
        | (query, [document, …]), any length  | [relevance of at least 0, …]   | 1                             |

    Relations:
        - With ``epsilon=0`` it equals [gemma_st.losses.softmax.SoftmaxLoss][].

    Examples:
        >>> import torch
        >>> from gemma_st import CrossEncoder
        >>> loss = Poly1SoftmaxLoss(CrossEncoder("reranker"), epsilon=1.0)
        >>> loss([["goldfish"], [["Goldfish grow.", "Gold is a metal."]]], [torch.tensor([1.0, 0.0])]).item() > 0
        True
    """

    needs_relevance = compares_documents = True

    def __init__(self, model: "CrossEncoder", *, epsilon: float = 1.0, mini_batch_size: int = 32) -> None:
        """Store ε."""
        super().__init__(model, mini_batch_size=mini_batch_size)
        self.epsilon = epsilon

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query."""
        log_p = scores.log_softmax(-1)
        return (labels * (self.epsilon * (1 - log_p.exp()) - log_p)).sum(-1)
