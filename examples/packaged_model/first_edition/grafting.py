"""The teacher's layers, written into a student one after the other, each fitted to what those before it give."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from first_edition.folding import SCALES, Reading, affine, low_rank, prune, read, separate
from first_edition.positions import CONSTANT, EXTRA
from first_edition.rows import layout, pooled, teacher_states

if TYPE_CHECKING:
    from transformers import BertModel, GemmaModel
    from transformers.models.bert.modeling_bert import BertLayer
    from transformers.models.gemma.modeling_gemma import GemmaAttention, GemmaDecoderLayer, GemmaMLP

TURNING = 3  # pairs of a head's dimensions that are not for content
WALL, LAST_WALL = 5.0, 8.0  # nats for the own text and against the other
GATHERED = 200.0  # times a token's own state, what the last layer gathers
PRODUCT = 0.02  # size of what the head squares: along the first axis texts are some 15 times as large as along others
TEMPERATURE, UNIT = 20.0, 1 / 64  # nats of a cosine of 1 in a list; what a nat is in the score


class Stream:
    """The student's residual stream on real pairs, moved on a sublayer at a time, and the teacher's states beside it.

    Args:
        student: The student, whose layers are being written.
        bert: The teacher.
        batches: The student's ids of pairs, padded on the right.
        ids: The teacher's id of each of the student's pieces.
    """

    def __init__(self, student: "GemmaModel", bert: "BertModel", batches: list[Tensor], *, ids: Tensor) -> None:
        """Embed the pairs, and run the teacher."""
        self.rows = [layout(batch) for batch in batches]
        self.filled = torch.cat([row.filled.flatten() for row in self.rows])
        self.streams = [student.embed_tokens(batch) for batch in batches]
        counts = [torch.arange(batch.shape[1])[None] for batch in batches]
        self.turns = [student.rotary_emb(x, count) for x, count in zip(self.streams, counts, strict=True)]
        self.teacher = [teacher_states(bert, ids[b], row) for b, row in zip(batches, self.rows, strict=True)]

    def attend(self, layer: "GemmaDecoderLayer") -> None:
        """Add what the layer's attention writes."""
        for i, row in enumerate(self.rows):
            mask = torch.zeros(row.filled.shape).masked_fill(~row.filled, float("-inf"))[:, None, None]
            normed = layer.input_layernorm(self.streams[i])
            written, _ = layer.self_attn(normed, position_embeddings=self.turns[i], attention_mask=mask)
            self.streams[i] = self.streams[i] + written

    def feed(self, layer: "GemmaDecoderLayer") -> None:
        """Add what the layer's feed-forward part writes."""
        self.streams = [stream + layer.mlp(layer.post_attention_layernorm(stream)) for stream in self.streams]

    def read(self, norm: nn.Module, depth: int, *, attended: bool = False) -> tuple[Reading, Tensor]:
        """Fit a reading of the teacher's states at a depth; return it with the normalised stream, token by token."""
        tokens = self._tokens(self.streams)
        states = self._tokens([teacher[attended][depth] for teacher in self.teacher])
        normed = norm(tokens)
        return read(tokens, normed, states), normed

    def _tokens(self, batches: list[Tensor]) -> Tensor:
        return torch.cat([x[row.filled] for x, row in zip(batches, self.rows, strict=True)])


@torch.no_grad()
def transplant(
    student: "GemmaModel", bert: "BertModel", batches: list[Tensor], *, ids: Tensor
) -> tuple[list[Reading], Tensor, Tensor]:
    """Write the teacher's layers into the student, each fitted to what the ones before it really give.

    Args:
        student: What [first_edition.transplant.empty_student][] made.
        bert: The teacher.
        batches: The student's ids of a few thousand tokens' worth of pairs, padded on the right.
        ids: The teacher's id of each of the student's pieces.

    Returns:
        A reading of the teacher's states after its embeddings and each layer, the principal axes of its means, and
        the cosines of the pairs.
    """
    stream, readings = Stream(student, bert, batches, ids=ids), []
    stream.attend(student.layers[0])
    stream.feed(student.layers[0])
    for depth, (layer, source) in enumerate(zip(student.layers[1:-1], bert.encoder.layer, strict=True)):
        reading, normed = stream.read(layer.input_layernorm, depth)
        readings.append(reading)
        _write_attention(layer.self_attn, source, reading, normed)
        stream.attend(layer)
        _write_feed_forward(layer.mlp, source, *stream.read(layer.post_attention_layernorm, depth, attended=True))
        stream.feed(layer)
    reading, normed = stream.read(student.layers[-1].input_layernorm, len(readings))
    _write_gathering(student.layers[-1].self_attn, reading, normed)
    last = [(states[-1], row) for (states, _), row in zip(stream.teacher, stream.rows, strict=True)]
    sides = [torch.cat([pooled(states, row, side) for states, row in last]) for side in (0, 1)]
    means = torch.cat(sides)
    axes = torch.linalg.eigh(means.T @ means).eigenvectors.flip(1)
    return [*readings, reading], axes, (sides[0] * sides[1]).sum(1)


def _write_attention(target: "GemmaAttention", source: "BertLayer", reading: Reading, normed: Tensor) -> None:
    given, output = source.attention.self, source.attention.output.dense
    width, dim = len(reading.shift), target.head_dim
    half, states = dim // 2, reading.states(normed)
    places = torch.tensor([pair + half * part for pair in range(TURNING, half) for part in (0, 1)])
    for head in range(width // dim):
        own = slice(head * dim, (head + 1) * dim)
        query, key = nn.Linear(width, dim), nn.Linear(width, dim)
        query.weight[:], query.bias[:], key.weight[:] = (
            given.query.weight[own],
            given.query.bias[own],
            given.key.weight[own],
        )
        queries, keys = low_rank(query, key, states, rank=len(places))
        at = head * dim + places
        target.q_proj.weight[at, :width] = queries[:, :width] @ reading.map
        target.q_proj.bias[at] = queries[:, :width] @ reading.shift + queries[:, width]
        target.k_proj.weight[at, :width] = keys @ reading.map
    target.v_proj.weight[:, :width] = given.value.weight @ reading.map
    target.v_proj.bias[:] = given.value.weight @ reading.shift + given.value.bias
    target.o_proj.weight[:width] = reading.gain[:, None] * output.weight
    target.o_proj.bias[:width] = reading.gain * (output.bias + reading.shift)
    separate(target.q_proj, target.k_proj, normed, head_dim=dim, logit=WALL)


def _write_feed_forward(target: "GemmaMLP", source: "BertLayer", reading: Reading, normed: Tensor) -> None:
    inner, outer, width = source.intermediate.dense, source.output.dense, len(reading.shift)
    constant = normed[:, width + CONSTANT].mean()
    active = nn.functional.gelu(reading.states(normed) @ inner.weight.T + inner.bias)
    spare = target.gate_proj.out_features - 1  # the last unit carries the bias
    units, down, shift = prune(active, outer.weight, kept=spare)
    kept = len(units)
    # A token whose stream is larger than others' needs larger additions: the up projection follows its size.
    size = (reading.scale / reading.scale.median()).clamp(*SCALES)
    grow, base = affine(normed[:, :width], size[:, None], strength=1e-2)
    target.gate_proj.weight.zero_()
    target.up_proj.weight.zero_()
    target.gate_proj.weight[:kept, :width] = inner.weight[units] @ reading.map
    target.gate_proj.weight[:kept, width + CONSTANT] = (
        inner.weight[units] @ reading.shift + inner.bias[units]
    ) / constant
    target.gate_proj.weight[spare, width + CONSTANT] = 3 / constant  # where the activation is the identity
    target.up_proj.weight[:, :width] = grow
    target.up_proj.weight[:, width + CONSTANT] = base / constant
    target.down_proj.weight[:width, :kept] = reading.gain[:, None] * down
    target.down_proj.weight[:width, spare] = reading.gain * (shift + outer.bias + reading.shift) / 3


def _write_gathering(target: "GemmaAttention", reading: Reading, normed: Tensor) -> None:
    """Let each token gather the mean of its text's states, far larger than what it holds itself."""
    width = len(reading.shift)
    target.v_proj.weight[:, :width] = reading.map
    target.v_proj.bias[:] = reading.shift
    target.o_proj.weight[:width] = GATHERED * reading.scale.median() * torch.eye(width)
    separate(target.q_proj, target.k_proj, normed, head_dim=target.head_dim, logit=LAST_WALL)


def product_head(axes: Tensor, *, rank: int) -> tuple[nn.Linear, nn.Linear]:
    """Return two layers with a GELU between that multiply two halves of their input: ``a · b`` along some axes.

    ``a b = ((a + b)² - (a - b)²) / 4``, and ``gelu(x) - x / 2 ≈ x² / √(2π)`` where x is small. Two more units take the
    halves of x away: ``gelu(x) - gelu(-x) = x``.

    Args:
        axes: Orthonormal columns, most important first.
        rank: How many of them are used.
    """
    width = len(axes) + EXTRA
    chosen = torch.cat([axes[:, :rank].T, torch.zeros(rank, EXTRA)], 1) * PRODUCT
    both, either = torch.cat([chosen, chosen], 1), torch.cat([chosen, -chosen], 1)
    halves = (both - either).sum(0, keepdim=True) / 2
    first, second = nn.Linear(2 * width, 2 * rank + 2), nn.Linear(2 * rank + 2, 1)
    height = TEMPERATURE * UNIT / (4 * width * PRODUCT**2 / (2 * torch.pi) ** 0.5)
    with torch.no_grad():
        first.weight.copy_(torch.cat([both, either, halves, -halves]))
        second.weight.copy_(height * torch.cat([torch.ones(rank), -torch.ones(rank), torch.tensor([-1.0, 1.0])]))
        nn.init.zeros_(first.bias)
        nn.init.zeros_(second.bias)
    return first, second
