"""Pointwise cross-entropy: each document is relevant or not, whatever the rest of its list."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gemma_st.errors import ModelError
from gemma_st.losses.listwise import ListLoss


class PointwiseLoss(ListLoss):
    """``-Σ [y log σ(score) + (1 - y) log(1 - σ(score))]`` over the documents of each list, divided by their number.

    Args:
        model: A cross-encoder of one label.
        mini_batch_size: How many pairs are scored together.

    Raises:
        ModelError: A label is not a probability.

    Inputs:
        | Texts                              | Labels                  |
        |------------------------------------|-------------------------|
        | (query, [document, …]) of any size | [relevance, 0 to 1, …]  |

    References:
        monoBERT (Nogueira and Cho, 2019); RankT5 (Zhuang et al., SIGIR 2023) compares it with the listwise softmax.

    Example:
        ```python
        from gemma_st import CrossEncoder
        from gemma_st.losses.pointwise import PointwiseLoss

        loss = PointwiseLoss(CrossEncoder("gemma-encoder-msmarco"))
        ```
    """

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list."""
        if bool(((labels < 0) | (labels > 1)).any()):
            raise ModelError(
                f"pointwise loss with labels from {float(labels.min()):g} to {float(labels.max()):g}; expected 0 to 1; "
                "divide grades by the highest"
            )
        each = binary_cross_entropy_with_logits(scores, labels, reduction="none")
        return (each * filled).sum(-1) / filled.sum(-1)
