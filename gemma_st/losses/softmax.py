"""Listwise softmax cross-entropy."""

from torch import Tensor

from gemma_st.losses.listwise import ListLoss


class SoftmaxLoss(ListLoss):
    """``-Σ y · log softmax(scores)`` over the candidates of each query.

    The labels y are not normalised: a document weighs as much as its grade, and a query without a relevant document
    has no gradient. This is the ranking loss of RankT5 (Zhuang et al., SIGIR 2023).

    Args:
        model: A cross-encoder with one label.
        mini_batch_size: Number of pairs in one forward pass.

    Requirements:
        Lists of 20 to 30 documents; RankT5 finds shorter lists no better than pointwise cross-entropy.

    Inputs:
        | Texts                               | Labels                         | Number of model output labels |
        |-------------------------------------|--------------------------------|-------------------------------|
        | (query, [document, …]), any length  | [relevance of at least 0, …]   | 1                             |

    Relations:
        - Stock ``ListNetLoss`` also applies a softmax to the labels, and so raises documents that are not relevant.
        - [gemma_st.losses.poly1.Poly1SoftmaxLoss][] adds a term to this loss.

    Examples:
        >>> import torch
        >>> from gemma_st import CrossEncoder
        >>> loss = SoftmaxLoss(CrossEncoder("reranker"))
        >>> loss([["goldfish"], [["Goldfish grow.", "Gold is a metal."]]], [torch.tensor([1.0, 0.0])]).item() > 0
        True
    """

    needs_relevance = compares_documents = True

    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query."""
        return -(labels * scores.log_softmax(-1)).sum(-1)
