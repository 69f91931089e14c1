"""Listwise softmax cross-entropy, the ranking loss of RankT5 and of Gemma Encoder."""

from torch import Tensor

from gemma_st.losses.listwise import ListLoss


class SoftmaxLoss(ListLoss):
    """``-Σ y log softmax(score)`` over each list.

    Labels are used as they are: several relevant documents each count, a graded one by its grade, and a list without a
    relevant document has no gradient. Stock ``ListNetLoss`` applies a softmax to the labels as well, and so also raises
    documents that are not relevant.

    Args:
        model: A cross-encoder of one label.
        mini_batch_size: How many pairs are scored together.

    Inputs:
        | Texts                              | Labels                      |
        |------------------------------------|-----------------------------|
        | (query, [document, …]) of any size | [relevance of at least 0, …] |

    References:
        RankT5 (Zhuang et al., SIGIR 2023), which needs lists of 20 to 30 documents to beat pointwise cross-entropy.

    Example:
        ```python
        from gemma_st import CrossEncoder
        from gemma_st.losses.softmax import SoftmaxLoss

        loss = SoftmaxLoss(CrossEncoder("gemma-encoder-msmarco"))
        ```
    """

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list."""
        return -(labels * scores.log_softmax(-1)).sum(-1)
