"""A BERT layer's weights, rewritten for a Gemma layer that reads a normalised residual stream.

BERT normalises after each sublayer, Gemma before. Both see the same states but for a linear map, if the stream holds
what BERT would have normalised: so a regression of BERT's states on Gemma's finds the map, which is folded into what
reads the stream, and what is written to it is scaled by how large the states are there.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from first_edition.positions import CONSTANT, EXTRA, SIDE, STILL, ridge

TYPICAL = 2.0  # times the median norm: tokens beyond, such as [SEP], say nothing about the stream's scale
SCALES = (0.5, 1.8)  # of the median; a token's scale is followed no further


class Reading(NamedTuple):
    """How a state x of the teacher is read off a normalised stream n, ``x ≈ n · map + shift``, and written to it."""

    map: Tensor  # (width, width), applied from the left to x: x = map @ n + shift
    shift: Tensor
    gain: Tensor  # the stream's size per unit of x, channel by channel
    scale: Tensor  # each token's size of the stream
    explained: float  # the share of the variance of x

    def states(self, normed: Tensor) -> Tensor:
        """Return the states as the stream has them."""
        return normed[:, : len(self.shift)] @ self.map.T + self.shift


def read(stream: Tensor, normed: Tensor, states: Tensor) -> Reading:
    """Fit a reading on tokens.

    Args:
        stream: The residual stream, (tokens, width + extra channels).
        normed: The same, normalised.
        states: The teacher's states of the same tokens, (tokens, width).
    """
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
    """Return the query and key weights of a head of fewer dimensions with nearly the same attention.

    The products of queries and keys are kept where states lie, by a decomposition weighted with their second moments.
    What is the same for all keys drops out of a softmax: the key's bias, and the mean of the states.

    Args:
        query: One head's query map.
        key: Its key map.
        states: Typical states, (tokens, width).
        rank: How many dimensions are left.

    Returns:
        Weights of (rank, width + 1), whose last column is the bias, and of (rank, width).
    """
    ones = torch.ones(len(states), 1)
    query_root, query_inverse = _roots(torch.cat([states, ones], 1))
    key_root, key_inverse = _roots(_centred(states))
    queries = torch.cat([query.weight, query.bias[:, None]], 1).double()
    left, values, right = torch.linalg.svd(query_root @ queries.T @ key.weight.double() @ key_root)
    size = values[:rank].sqrt()[:, None]
    return (size * left[:, :rank].T @ query_inverse).float(), (size * right[:rank] @ key_inverse).float()


def separate(query: nn.Linear, key: nn.Linear, normed: Tensor, *, head_dim: int, logit: float) -> None:
    """Let tokens see those of the other text by twice ``logit`` nats less, and all of their own text alike.

    With f = ±c for the side of a token whose constant is c, a logit of ``f_i f_j - c_i c_j`` is 0 within a text.
    """
    start = normed.shape[1] - EXTRA
    ratio = float((normed[:, start + SIDE] / normed[:, start + CONSTANT]).quantile(0.99))
    constant = float(normed[:, start + CONSTANT].abs().mean())
    weight = (logit * head_dim**0.5) ** 0.5 / constant
    for linear, sign in ((query, -1), (key, 1)):
        linear.weight[STILL::head_dim, start + SIDE] = 2 * weight / ratio
        linear.weight[STILL::head_dim, start + CONSTANT] = -weight
        linear.weight[STILL + head_dim // 2 :: head_dim, start + CONSTANT] = sign * weight


def prune(active: Tensor, down: Tensor, *, kept: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the hidden units of a feed-forward layer that the others can best be done without, and refit the output.

    Units are dropped a twelfth at a time by what their loss costs after the rest are refitted.

    Args:
        active: Hidden activations, (tokens, units).
        down: The output map, (width, units).
        kept: How many units are left.

    Returns:
        The kept units, their output map, and the output's shift.
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
