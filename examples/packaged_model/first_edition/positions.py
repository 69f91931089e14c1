"""A Gemma layer that tells each token which text it is in, and where: what BERT reads from its tables.

Gemma has neither segment nor position embeddings, only rotations: the product of a rotated query and key is a sinusoid
of their distance. Three heads of the first layer attend to the two tokens that open a text, ``<bos>`` and ``<sep>``,
by such sinusoids. One tells which side of ``<sep>`` a token is on, two how far it is from either. The feed-forward
layer turns these numbers into the teacher's position embeddings, since a sum of hinges can be any curve.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import GemmaModel

# Channels beside the teacher's: a constant, the marks of <bos> and <sep>, the scale of a token's row, and what the
# first layer finds out: the side of <sep>, the closeness to <bos>, and that to <sep>; what texts share (overlap.py).
CONSTANT, BOS, SEP, SCALE, SIDE, FROM_BOS, FROM_SEP, OVERLAP = range(8)
EXTRA = 8  # a multiple that kernels like
LEVEL = 0.1  # of the extra channels, in a row of norm 1
FAST, SLOW, STILL = range(
    3
)  # pairs of a head's dimensions: they turn a radian, 1.5 / max_length, nearly nothing a token
STEP = 4.0  # growth of a hinge's argument over one position

EOS_ID, BOS_ID, SEP_ID, PROBE = 1, 2, 4, 10


def rope_theta(head_dim: int, max_length: int) -> float:
    """Return the rotary base whose second pair makes less than a quarter turn over the longest input."""
    return float((max_length / 1.5) ** (head_dim / 2))


def token_rows(words: Tensor) -> tuple[Tensor, float]:
    """Return rows of norm 1, the teacher's word embeddings, scaled, then the extra channels; and the scale's unit.

    Args:
        words: The teacher's embeddings of the student's vocabulary, each with mean 0.
    """
    rows = torch.zeros(len(words), words.shape[1] + EXTRA)
    own, extra = rows[:, : words.shape[1]], rows[:, words.shape[1] :]
    extra[:, CONSTANT] = extra[BOS_ID, BOS] = extra[SEP_ID, SEP] = LEVEL
    left = 1 - extra.pow(2).sum(1)
    unit = LEVEL * float(words.pow(2).sum(1).median().sqrt())
    scale = (left / (words.pow(2).sum(1) + unit**2)).sqrt()
    own[:] = scale[:, None] * words
    extra[:, SCALE] = unit * scale
    rows[0] = 0  # padding
    return rows, unit


def write_marks(student: "GemmaModel", max_length: int) -> None:
    """Write the three heads into the first layer's attention."""
    attention, width = student.layers[0].self_attn, student.config.hidden_size
    dim, start = student.config.head_dim, student.config.hidden_size - EXTRA
    normed = LEVEL * width**0.5  # of a mark, in a row of norm 1
    slow = 1.5 / max_length
    query, key = attention.q_proj.bias, attention.k_proj.weight

    def sinusoid(head: int, pair: int, *, height: float, ahead: float, mark: int) -> None:
        """Add ``height · sin(frequency · distance + ahead)`` to the head's logit of the marked token."""
        radius, angle, place = (height * dim**0.5) ** 0.5, ahead - math.pi / 2, head * dim + pair
        query[place] += radius * math.cos(angle)
        query[place + dim // 2] += radius * math.sin(angle)
        key[place, start + mark] += radius / normed

    with torch.no_grad():
        for head, mark, source, target in ((0, None, SEP, SIDE), (1, BOS, BOS, FROM_BOS), (2, SEP, SEP, FROM_SEP)):
            for seen in (BOS, SEP):  # 18 nats above all other tokens: more, and float32 shows in the places
                sinusoid(head, STILL, height=18.0, ahead=math.pi / 2, mark=seen)
            if mark is not None:
                sinusoid(head, SLOW, height=2.0, ahead=0.0, mark=mark)
            attention.v_proj.weight[head * dim, start + source] = LEVEL / normed
            attention.o_proj.weight[start + target, head * dim] = 1.0
        sinusoid(0, SLOW, height=1000.0, ahead=slow / 2, mark=SEP)  # a step between <sep> and the token before it
        sinusoid(0, FAST, height=6.0, ahead=0.5, mark=SEP)


def write_positions(student: "GemmaModel", table: Tensor, unit: float) -> float:
    """Write hinges into the first layer's feed-forward layer that add the teacher's position embeddings.

    Args:
        student: A Gemma whose first layer has the marks.
        table: The teacher's position embeddings, each with mean 0, as many as the longest input has tokens.
        unit: What the scale in a token's row is counted in.

    Returns:
        The relative error of the positions, on average.
    """
    length, start = len(table), student.config.hidden_size - EXTRA
    mlp, longest = student.layers[0].mlp, length // 2
    states, side, place = _probe(student, length)
    with torch.no_grad():
        hinges = [(FROM_BOS, lo, hi) for lo, hi in _knots(states[:, start + FROM_BOS], place, side == 0, longest)]
        hinges += [(FROM_SEP, lo, hi) for lo, hi in _knots(states[:, start + FROM_SEP], place, side == 1, length - 5)]
        constant, second = states[0, start + CONSTANT], states[side == 1, start + SIDE].mean()
        used = len(hinges) + 2
        for hinge, (channel, low, high) in enumerate(hinges):
            slope = STEP / (high - low)
            mlp.gate_proj.weight[hinge, start + channel] = slope
            mlp.gate_proj.weight[hinge, start + CONSTANT] = -slope * low / constant
            if channel == FROM_BOS:  # silent in the second text
                mlp.gate_proj.weight[hinge, start + SIDE] = -1e4
        mlp.gate_proj.weight[used - 2, start + CONSTANT] = STEP / constant
        mlp.gate_proj.weight[used - 1, start + SIDE] = STEP / second
        mlp.up_proj.weight[:used, start + SCALE] = 1.0
        active = mlp.act_fn(states @ mlp.gate_proj.weight[:used].T) * (states @ mlp.up_proj.weight[:used].T)
        kept = (side == 1) | (place < longest)
        scale = student.embed_tokens.weight[PROBE, start + SCALE] * student.config.hidden_size**0.5 / unit
        target = table[place] * scale
        found = ridge(active[kept], target[kept], strength=1e-9)
        mlp.down_proj.weight[:start, :used] = found.T
        error = (active[kept] @ found - target[kept]).norm(dim=1) / target[kept].norm(dim=1)
    return float(error.mean())


@torch.no_grad()
def _probe(student: "GemmaModel", length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the feed-forward layer reads of inputs with shorter and longer first texts; side and place there."""
    layer, states, sides, places = student.layers[0], [], [], []
    count = torch.arange(length)
    for first in (3, *range(6, length // 2 + 1, max(1, length // 16))):
        ids = torch.full((1, length), PROBE)
        ids[0, 0], ids[0, first - 1], ids[0, first], ids[0, -1] = BOS_ID, EOS_ID, SEP_ID, EOS_ID
        rows = student.embed_tokens(ids)
        turns = student.rotary_emb(rows, count[None])
        seen = layer.self_attn(
            layer.input_layernorm(rows), position_embeddings=turns, attention_mask=torch.zeros(1, 1, 1, length)
        )[0]
        states.append(layer.post_attention_layernorm(rows + seen)[0])
        sides.append((count >= first).long())
        places.append(torch.where(count >= first, count - first, count))
    return torch.cat(states), torch.cat(sides), torch.cat(places)


def _knots(channel: Tensor, place: Tensor, mask: Tensor, count: int) -> list[tuple[float, float]]:
    """Return the channel's values at neighbouring places."""
    values = [
        float(channel[mask & (place == at)].mean()) for at in range(count + 1) if bool((mask & (place == at)).any())
    ]
    return list(pairwise(values))


def ridge(inputs: Tensor, targets: Tensor, *, strength: float) -> Tensor:
    """Return the least-squares map from inputs to targets, held back by a share of the inputs' mean energy."""
    rows = inputs.double()
    energy = rows.T @ rows
    energy += strength * energy.diagonal().mean() * torch.eye(len(energy), dtype=energy.dtype)
    found: Tensor = torch.linalg.solve(energy, rows.T @ targets.double()).float()
    return found
