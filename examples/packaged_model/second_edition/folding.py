"""Maps between BERT's states and Gemma's residual stream, and the pruning of what is written through them.

BERT normalises after each sublayer, Gemma before. If the stream holds what BERT would have normalised, both see the
same states but for a linear map. A regression finds it; it is folded into the weights that read the stream.
"""

from typing import NamedTuple

import torch
from positions import ridge
from torch import Tensor, nn

TYPICAL = 2.0  # times the median norm: tokens beyond, such as [SEP], say nothing about the stream's scale


class Reading(NamedTuple):
    """How a teacher's state x is read off a normalised stream n, `x ≈ map @ n + shift`, and written to the stream."""

    map: Tensor  # (width, width)
    shift: Tensor
    gain: Tensor  # the stream's size per unit of x, by channel
    scale: Tensor  # the size of each token's stream
    explained: float  # the share of the variance of x

    def states(self, normed: Tensor) -> Tensor:
        """Return the states as the stream has them."""
        return normed[:, : len(self.shift)] @ self.map.T + self.shift


def read(stream: Tensor, normed: Tensor, states: Tensor) -> Reading:
    """Fit a reading on tokens: the stream, the same normalised, and the teacher's states of the same tokens."""
    width = states.shape[1]
    weight, shift = affine(normed[:, :width], states, strength=1e-4)
    error = states - normed[:, :width] @ weight.T - shift
    scale = stream.pow(2).mean(1).sqrt()
    typical = scale < TYPICAL * scale.median()
    inside, wanted = _centred(stream[typical, :width]), _centred(states[typical])
    gain = (inside * wanted).sum(0) / wanted.pow(2).sum(0)
    explained = 1 - float(error.pow(2).sum() / _centred(states).pow(2).sum())
    return Reading(weight, shift, gain, scale, explained)


def affine(inputs: Tensor, targets: Tensor, *, strength: float) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the least-squares linear layer."""
    weight = ridge(_centred(inputs), _centred(targets), strength=strength).T
    return weight.contiguous(), targets.mean(0) - weight @ inputs.mean(0)


def low_rank(query: nn.Linear, key: nn.Linear, states: Tensor, *, rank: int) -> tuple[Tensor, Tensor]:
    """Return query and key weights of a head with fewer dimensions and nearly the same attention on the given states.

    The decomposition of their product is weighted with the second moments of the states. What is equal for all keys
    drops out of the softmax: the key's bias and the mean of the states.

    Returns:
        Weights of shape (rank, width + 1), whose last column is the bias, and (rank, width).
    """
    ones = torch.ones(len(states), 1)
    query_root, query_inverse = _roots(torch.cat([states, ones], 1))
    key_root, key_inverse = _roots(_centred(states))
    queries = torch.cat([query.weight, query.bias[:, None]], 1).double()
    left, values, right = torch.linalg.svd(query_root @ queries.T @ key.weight.double() @ key_root)
    size = values[:rank].sqrt()[:, None]
    return (size * left[:, :rank].T @ query_inverse).float(), (size * right[:rank] @ key_inverse).float()


def prune(active: Tensor, down: Tensor, *, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the hidden units of a feed-forward block that are hardest to replace by the others.

    A twelfth of the units is dropped at a time, those whose loss costs least after the rest is refitted.

    Args:
        active: Hidden activations, (tokens, units).
        down: The output weights, (width, units).
        kept: How many units are kept.

    Returns:
        The kept units, their output weights, and the shift of the output.
    """
    hidden, output = _centred(active), _centred(active @ down.T)
    energy = (hidden.T @ hidden).double()
    energy += 1e-4 * energy.diagonal().mean() * torch.eye(len(energy), dtype=energy.dtype)
    common = (hidden.T @ output).double()
    units = torch.arange(len(energy))
    while len(units) > kept:
        inverse = torch.linalg.inv(energy[units][:, units])
        cost = (inverse @ common[units]).pow(2).sum(1) / inverse.diagonal()
        dropped = max(1, min(len(units) - kept, len(units) // 12))
        units = units[cost.argsort()[dropped:].sort().values]
    weight = torch.linalg.solve(energy[units][:, units], common[units]).float().T.contiguous()
    return units, weight, down @ active.mean(0) - weight @ active[:, units].mean(0)


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(0)


def _roots(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the square root of the rows' second moments, and its inverse."""
    values, vectors = torch.linalg.eigh(rows.double().T @ rows.double() / len(rows))
    values = values.clamp(min=float(values.max()) * 1e-7).sqrt()
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T
