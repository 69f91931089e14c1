"""The teacher's layers, written into the Gemma one after the other, each fitted to what those before it give."""

import torch
from folding import Reading, affine, low_rank, prune, read
from positions import CONSTANT, TURNING
from teacher import Teacher
from torch import Tensor, nn
from transformers import GemmaModel
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.gemma.modeling_gemma import GemmaAttention, GemmaDecoderLayer, GemmaMLP

SCALES = (0.5, 1.8)  # of the median: a token's scale is followed no further
LINEAR = 3.0  # where a GELU is nearly the identity


class Stream:
    """The residual stream of real pairs, moved on by one sublayer at a time, and the teacher's states beside it."""

    def __init__(self, model: GemmaModel, teacher: Teacher, batches: list[Tensor]) -> None:
        """Embed the pairs and run the teacher."""
        self.filled = [ids != 0 for ids in batches]
        self.streams = [model.embed_tokens(ids) for ids in batches]
        self.turns = [
            model.rotary_emb(x, torch.arange(ids.shape[1])[None]) for x, ids in zip(self.streams, batches, strict=True)
        ]
        self.teacher = [teacher.states(ids) for ids in batches]

    def attend(self, layer: GemmaDecoderLayer) -> None:
        """Add what the layer's attention writes."""
        for i, filled in enumerate(self.filled):
            mask = torch.zeros(filled.shape).masked_fill(~filled, float("-inf"))[:, None, None]
            normed = layer.input_layernorm(self.streams[i])
            written, _ = layer.self_attn(normed, position_embeddings=self.turns[i], attention_mask=mask)
            self.streams[i] = self.streams[i] + written

    def feed(self, layer: GemmaDecoderLayer) -> None:
        """Add what the layer's feed-forward block writes."""
        self.streams = [stream + layer.mlp(layer.post_attention_layernorm(stream)) for stream in self.streams]

    def read(self, norm: nn.Module, depth: int, *, attended: bool = False) -> tuple[Reading, Tensor]:
        """Fit a reading of the teacher's states at a depth; return it with the normalised stream, token by token."""
        tokens = torch.cat([x[filled] for x, filled in zip(self.streams, self.filled, strict=True)])
        states = torch.cat([both[attended][depth] for both in self.teacher])
        normed = norm(tokens)
        return read(tokens, normed, states), normed


@torch.no_grad()
def write_layers(model: GemmaModel, teacher: Teacher, batches: list[Tensor]) -> list[Reading]:
    """Write the teacher's layers behind the first layer, which has the positions.

    Returns:
        A reading of the teacher's states after its embeddings and after each layer.
    """
    stream, readings = Stream(model, teacher, batches), []
    stream.attend(model.layers[0])
    stream.feed(model.layers[0])
    for depth, (layer, source) in enumerate(zip(model.layers[1:], teacher.model.bert.encoder.layer, strict=True)):
        reading, normed = stream.read(layer.input_layernorm, depth)
        readings.append(reading)
        _write_attention(layer.self_attn, source, reading, normed)
        stream.attend(layer)
        inner, normed = stream.read(layer.post_attention_layernorm, depth, attended=True)
        _write_feed_forward(layer.mlp, source, inner, normed)
        stream.feed(layer)
        print(f"layer {depth}: {reading.explained:.4f}, {inner.explained:.4f} of the states", flush=True)
    readings.append(stream.read(model.norm, len(readings))[0])
    print(f"end: {readings[-1].explained:.4f} of the states", flush=True)
    return readings


def _write_attention(target: GemmaAttention, source: BertLayer, reading: Reading, normed: Tensor) -> None:
    given, output = source.attention.self, source.attention.output.dense
    width, heads = len(reading.shift), given.num_attention_heads
    size, dim = width // heads, target.head_dim  # of the teacher's heads and of ours
    still = range(TURNING, dim // 2)
    places = torch.tensor([pair + dim // 2 * part for pair in still for part in (0, 1)])
    states, root = reading.states(normed), (dim / size) ** 0.25  # each divides the logits by the root of its own size
    for head in range(heads):
        own, at = slice(head * size, (head + 1) * size), head * dim + places
        query, key = nn.Linear(width, size), nn.Linear(width, size)
        query.weight[:], query.bias[:], key.weight[:] = (
            given.query.weight[own],
            given.query.bias[own],
            given.key.weight[own],
        )
        queries, keys = low_rank(query, key, states, rank=min(size, len(places)))
        at = at[: len(keys)]
        target.q_proj.weight[at, :width] = root * queries[:, :width] @ reading.map
        target.q_proj.bias[at] = root * (queries[:, :width] @ reading.shift + queries[:, width])
        target.k_proj.weight[at, :width] = root * keys @ reading.map
        columns = head * dim + torch.arange(size)
        target.v_proj.weight[columns, :width] = given.value.weight[own] @ reading.map
        target.v_proj.bias[columns] = given.value.weight[own] @ reading.shift + given.value.bias[own]
        target.o_proj.weight[:width, columns] = reading.gain[:, None] * output.weight[:, own]
    target.o_proj.bias[:width] = reading.gain * (output.bias + reading.shift)


def _write_feed_forward(target: GemmaMLP, source: BertLayer, reading: Reading, normed: Tensor) -> None:
    inner, outer, width = source.intermediate.dense, source.output.dense, len(reading.shift)
    constant = normed[:, width + CONSTANT].mean()
    active = nn.functional.gelu(reading.states(normed) @ inner.weight.T + inner.bias)
    spare = target.gate_proj.out_features - 1  # the last unit carries the bias
    units, down, shift = prune(active, outer.weight, kept=min(spare, active.shape[1]))
    kept = len(units)
    # A token whose stream is larger than others' needs larger additions: the up projection follows its size.
    size = (reading.scale / reading.scale.median()).clamp(*SCALES)
    grow, base = affine(normed[:, :width], size[:, None], strength=1e-2)
    target.gate_proj.weight[:kept, :width] = inner.weight[units] @ reading.map
    target.gate_proj.weight[:kept, width + CONSTANT] = (
        inner.weight[units] @ reading.shift + inner.bias[units]
    ) / constant
    target.gate_proj.weight[spare, width + CONSTANT] = LINEAR / constant
    target.up_proj.weight[:, :width] = grow
    target.up_proj.weight[:, width + CONSTANT] = base / constant
    target.down_proj.weight[:width, :kept] = reading.gain[:, None] * down
    target.down_proj.weight[:width, spare] = reading.gain * (shift + outer.bias + reading.shift) / LINEAR
