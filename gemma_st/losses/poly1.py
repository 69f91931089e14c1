"""Listwise softmax cross-entropy with its first polynomial term weighted anew (Poly-1)."""

from typing import TYPE_CHECKING

from torch import Tensor

from gemma_st.losses.listwise import ListLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class Poly1SoftmaxLoss(ListLoss):
    """``Σ y (-log p + ε (1 - p))`` over each list, with ``p = softmax(score)``.

    Cross-entropy is the series ``Σ_j (1 - p)^j / j``; Poly-1 adds ε to the coefficient of its first term. With ε = 0 it
    is [gemma_st.losses.softmax.SoftmaxLoss][].

    Args:
        model: A cross-encoder of one label.
        epsilon: Weight of the added term; -1 takes the first term out.
        mini_batch_size: How many pairs are scored together.

    Inputs:
        | Texts                              | Labels                      |
        |------------------------------------|-----------------------------|
        | (query, [document, …]) of any size | [relevance of at least 0, …] |

    References:
        PolyLoss (Leng et al., ICLR 2022), there with one relevant class.

    Example:
        ```python
        from gemma_st import CrossEncoder
        from gemma_st.losses.poly1 import Poly1SoftmaxLoss

        loss = Poly1SoftmaxLoss(CrossEncoder("gemma-encoder-msmarco"), epsilon=1.0)
        ```
    """

    def __init__(self, model: "CrossEncoder", *, epsilon: float = 1.0, mini_batch_size: int = 32) -> None:
        """Keep ε."""
        super().__init__(model, mini_batch_size=mini_batch_size)
        self.epsilon = epsilon

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list."""
        log_p = scores.log_softmax(-1)
        return (labels * (self.epsilon * (1 - log_p.exp()) - log_p)).sum(-1)
