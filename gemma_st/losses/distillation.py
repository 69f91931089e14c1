"""Distillation: the scores of a list follow the distribution of a teacher's scores."""

from math import inf
from typing import TYPE_CHECKING

from torch import Tensor
from torch.special import xlogy

from gemma_st.errors import ModelError
from gemma_st.losses.listwise import PADDED_SCORE, ListLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class ScoreDistillationLoss(ListLoss):
    """``KL(softmax(teacher / T) ‖ softmax(scores / T))`` over the candidates of each query, in nats.

    Args:
        model: A cross-encoder with one label.
        temperature: T, above 0 (Hinton et al., 2015). A higher temperature gives more weight to the lower ranks.
        mini_batch_size: Number of pairs in one forward pass.

    Inputs:
        | Texts                               | Labels                         | Number of model output labels |
        |-------------------------------------|--------------------------------|-------------------------------|
        | (query, [document, …]), any length  | [teacher's score, …]           | 1                             |

    Relations:
        - [gemma_st.losses.margin_mse.MarginMSELoss][] matches the teacher's margins between pairs of documents.

    Examples:
        >>> import torch
        >>> from gemma_st import CrossEncoder
        >>> loss = ScoreDistillationLoss(CrossEncoder("reranker"), temperature=2.0)
        >>> loss([["goldfish"], [["Goldfish grow.", "Gold is a metal."]]], [torch.tensor([7.1, -2.5])]).item() > 0
        True
    """

    compares_documents = learns_from_scores = True  # also of a teacher that scores the lists itself

    def __init__(self, model: "CrossEncoder", *, temperature: float = 1.0, mini_batch_size: int = 32) -> None:
        """Check and store the temperature."""
        super().__init__(model, mini_batch_size=mini_batch_size)
        if not 0 < temperature < inf:
            raise ModelError(f"temperature {temperature}; expected a number above 0")
        self.temperature = temperature

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query."""
        teacher = (labels / self.temperature).masked_fill(~filled, PADDED_SCORE).softmax(-1)
        entropy: Tensor = xlogy(teacher, teacher).sum(-1)
        return entropy - (teacher * (scores / self.temperature).log_softmax(-1)).sum(-1)
