"""What losses over lists share: scores come flat, one list after the other, and lists may be of any length."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

OUT = -1e9  # score of a slot that a shorter list leaves empty


def rows(flat: Tensor, sizes: list[int], fill: float = 0) -> Tensor:
    """Cut a flat tensor into rows of the given sizes, filled up to the longest."""
    return pad_sequence(list(torch.split(flat, sizes)), batch_first=True, padding_value=fill)


def list_divergence(scores: Tensor, wanted: Tensor, sizes: list[int]) -> Tensor:
    """Return ``KL(softmax(wanted) ‖ softmax(score))``, in nats, the mean over the lists.

    Args:
        scores: Of the model, (pairs,).
        wanted: Of its teacher, (pairs,).
        sizes: How many documents each list has; they add up to the pairs.
    """
    target = rows(wanted, sizes, fill=OUT).softmax(-1)
    entropy: Tensor = torch.special.xlogy(target, target).sum(-1).mean()
    return cross_entropy(rows(scores, sizes, fill=OUT), target) + entropy


def label_entropy(scores: Tensor, labels: list[Tensor], sizes: list[int]) -> Tensor:
    """Return ``-Σ y log softmax(score)`` with labels that are made to add up to 1, the mean over the lists.

    Args:
        scores: Of the model, (pairs,).
        labels: Relevance, a tensor a list.
        sizes: How many documents each list has.
    """
    gold = rows(torch.cat(labels).float().to(scores.device), sizes)
    return cross_entropy(rows(scores, sizes, fill=OUT), gold / gold.sum(-1, keepdim=True).clamp(min=1))
