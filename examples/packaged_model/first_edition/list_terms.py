"""Terms of losses over lists of any length; the scores of all lists come in one flat tensor, list after list."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gemma_st.losses.listwise import PADDED_SCORE, pad_rows


def list_divergence(scores: Tensor, wanted: Tensor, sizes: list[int]) -> Tensor:
    """Return ``KL(softmax(wanted) ‖ softmax(scores))``, in nats, the mean over the lists.

    Args:
        scores: The model's scores. (pairs,)
        wanted: The teacher's scores. (pairs,)
        sizes: Number of documents in each list; the sum is the number of pairs.
    """
    target = pad_rows(wanted, sizes, fill=PADDED_SCORE).softmax(-1)
    entropy: Tensor = torch.special.xlogy(target, target).sum(-1).mean()
    return cross_entropy(pad_rows(scores, sizes, fill=PADDED_SCORE), target) + entropy


def label_entropy(scores: Tensor, labels: list[Tensor], sizes: list[int]) -> Tensor:
    """Return ``-Σ y log softmax(scores)``, the mean over the lists; labels with a sum above 1 are divided by it.

    Args:
        scores: The model's scores. (pairs,)
        labels: Relevance, one tensor per list.
        sizes: Number of documents in each list.
    """
    gold = pad_rows(torch.cat(labels).float().to(scores.device), sizes)
    return cross_entropy(pad_rows(scores, sizes, fill=PADDED_SCORE), gold / gold.sum(-1, keepdim=True).clamp(min=1))
