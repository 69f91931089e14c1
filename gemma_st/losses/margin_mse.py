"""Distillation of score margins: the stock ``MarginMSELoss``."""

from sentence_transformers.cross_encoder import losses


class MarginMSELoss(losses.MarginMSELoss):
    """``[(score⁺ - score⁻) - (teacher⁺ - teacher⁻)]²``, the stock ``MarginMSELoss`` for lists.

    ``reads_triples`` tells the trainer to turn each list into triples first. To match the teacher's distribution over
    the whole list instead, see [gemma_st.losses.distillation.ScoreDistillationLoss][].

    Inputs:
        | Texts                        | Labels              | Number of model output labels |
        |------------------------------|---------------------|-------------------------------|
        | (query, positive, negative)  | teacher⁺ - teacher⁻ | 1                             |

    Examples:
        >>> import torch
        >>> from gemma_st import CrossEncoder
        >>> loss = MarginMSELoss(CrossEncoder("reranker"))
        >>> loss([["goldfish"], ["Goldfish grow."], ["Gold is a metal."]], torch.tensor([9.6])).item() > 0
        True
    """

    reads_triples = compares_documents = learns_from_scores = True
