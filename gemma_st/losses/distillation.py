"""Distillation from a teacher's scores over lists."""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.special import xlogy

from gemma_st.errors import ModelError
from gemma_st.losses.listwise import OUT, ListLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class ScoreDistillationLoss(ListLoss):
    """``KL(softmax(teacher / T) ‖ softmax(score / T))`` over each list, in nats.

    The labels are the teacher's scores, of any scale. To match margins rather than distributions use the stock
    ``MarginMSELoss`` (``name = "margin-mse"`` in a stage's file).

    Args:
        model: A cross-encoder of one label.
        temperature: T, above 0; the higher, the more the lower ranks count.
        mini_batch_size: How many pairs are scored together.

    Raises:
        ModelError: The temperature is not above 0.

    Inputs:
        | Texts                              | Labels                |
        |------------------------------------|-----------------------|
        | (query, [document, …]) of any size | [teacher's score, …]  |

    References:
        Hinton et al. (2015) for the temperature; RankDistil (Reddi et al., AISTATS 2021) and others over lists.

    Example:
        ```python
        from gemma_st import CrossEncoder
        from gemma_st.losses.distillation import ScoreDistillationLoss

        loss = ScoreDistillationLoss(CrossEncoder("gemma-encoder-msmarco"), temperature=2.0)
        ```
    """

    def __init__(self, model: "CrossEncoder", *, temperature: float = 1.0, mini_batch_size: int = 32) -> None:
        """Keep the temperature."""
        super().__init__(model, mini_batch_size=mini_batch_size)
        if not temperature > 0:
            raise ModelError(f"temperature {temperature}; expected a number above 0")
        self.temperature = temperature

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list."""
        wanted = (labels / self.temperature).masked_fill(~filled, OUT).softmax(-1)
        entropy: Tensor = xlogy(wanted, wanted).sum(-1)
        return entropy - (wanted * (scores / self.temperature).log_softmax(-1)).sum(-1)
