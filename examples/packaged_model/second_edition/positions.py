"""The first layer of the transplant: it tells each token which text it is in and where, as BERT's tables do.

Gemma has neither segment nor position embeddings. In its rotary attention the product of a query and a key is a
sinusoid of their distance. Ten heads attend to the first token and to `[SEP]` with such sinusoids, so that their
outputs are functions of the position: one says whether a token stands behind `[SEP]`, nine say where it is. The
feed-forward block turns these ten numbers into the position and segment embeddings of the teacher by a least-squares
fit on random hidden units. The fit includes activations in bfloat16, so that its rounding does no harm.
"""

import math

import torch
from torch import Tensor
from transformers import GemmaModel

# Channels beside the teacher's: a constant, marks of the first token and of [SEP], the scale of the token's embedding,
# behind [SEP] or not, and the position features.
CONSTANT, FIRST, SEPARATOR, SCALE, SIDE, FEATURES = range(6)
EXTRA = 16
LEVEL = 0.1  # of the constant and the marks in an embedding of norm 1
CLS_ID, SEP_ID, EOS_ID, PROBE_ID = 101, 102, 1, 2000
ROPE_STEP = 10.0  # the pairs of a head's dimensions turn by 1, .1, .01, … radians per token
TURNING = 3  # pairs that turn; the others do not, within the longest input, and carry content
LONGEST = 256
MARKED = 12.0  # nats by which the first token and [SEP] are ahead of all other tokens
SIDE_HEIGHT = 60.0  # nats
# pair, phase and height of each position feature
SINUSOIDS = [
    (2, -1.28, 2.0),
    *((1, phase, height) for height in (2.0, 6.0) for phase in (0.0, math.pi / 2)),
    *((0, k * math.pi / 4, 2.0) for k in range(4)),
]
SPREAD = {2: 2.0, 1: 1.5, 0: 0.7}  # of the random weights of a feature, by its pair


def token_rows(words: Tensor) -> tuple[Tensor, float]:
    """Return embeddings of norm 1: the teacher's, scaled, then the extra channels; and the unit of their scale."""
    rows = torch.zeros(len(words), words.shape[1] + EXTRA)
    own, extra = rows[:, : words.shape[1]], rows[:, words.shape[1] :]
    extra[:, CONSTANT] = extra[CLS_ID, FIRST] = extra[SEP_ID, SEPARATOR] = LEVEL
    left = 1 - extra.pow(2).sum(1)
    unit = LEVEL * float(words.pow(2).sum(1).median().sqrt())
    scale = (left / (words.pow(2).sum(1) + unit**2)).sqrt()
    own[:] = scale[:, None] * words
    extra[:, SCALE] = unit * scale
    rows[0] = 0  # padding
    return rows, unit


def side_amplitudes() -> list[float]:
    """Return the amplitudes of the turning pairs whose sum of sinusoids is farthest from 0 behind `[SEP]`."""
    distance = torch.arange(0, LONGEST - 1) + 0.5
    waves = torch.sin(ROPE_STEP ** -torch.arange(float(TURNING))[:, None] * distance)
    fast, middle = torch.meshgrid(torch.linspace(0, 0.6, 25), torch.linspace(0, 1, 41), indexing="ij")
    sums = fast[..., None] * waves[0] + middle[..., None] * waves[1] + waves[2]
    best = int((sums.amin(-1) / (fast + middle + 1)).argmax())
    found = [float(fast.flatten()[best]), float(middle.flatten()[best]), 1.0]
    return [amplitude / sum(found) for amplitude in found]


class Marks:
    """Writes the heads of the first layer's attention."""

    def __init__(self, model: GemmaModel) -> None:
        """Take the model whose first layer is to be written."""
        self.attention, self.dim = model.layers[0].self_attn, model.config.head_dim
        self.start = model.config.hidden_size - EXTRA
        self.normed = LEVEL * model.config.hidden_size**0.5  # a mark, in a normalised embedding

    def sinusoid(self, head: int, pair: int, *, height: float, phase: float, mark: int) -> None:
        """Add `height · sin(frequency · distance + phase)` to the head's logit of the marked token."""
        radius, angle, place = (height * self.dim**0.5) ** 0.5, phase - math.pi / 2, head * self.dim + pair
        self.attention.q_proj.bias[place] += radius * math.cos(angle)
        self.attention.q_proj.bias[place + self.dim // 2] += radius * math.sin(angle)
        self.attention.k_proj.weight[place, self.start + mark] += radius / self.normed

    def head(self, head: int, source: int, target: int) -> None:
        """Let a head attend to the two marked tokens only, and write how much to the source."""
        for mark in (FIRST, SEPARATOR):
            self.sinusoid(head, TURNING + 2, height=MARKED, phase=math.pi / 2, mark=mark)
        self.attention.v_proj.weight[head * self.dim, self.start + source] = LEVEL / self.normed
        self.attention.o_proj.weight[self.start + target, head * self.dim] = 1.0

    @torch.no_grad()
    def write(self) -> None:
        """Write all heads."""
        self.head(0, SEPARATOR, SIDE)
        for pair, amplitude in enumerate(side_amplitudes()):
            step = -0.5 * ROPE_STEP**-pair  # between [SEP] and the token behind it
            self.sinusoid(0, pair, height=SIDE_HEIGHT * amplitude, phase=step, mark=SEPARATOR)
        for number, (pair, phase, height) in enumerate(SINUSOIDS):
            self.head(number + 1, FIRST, FEATURES + number)
            self.sinusoid(number + 1, pair, height=height, phase=phase, mark=FIRST)


@torch.no_grad()
def write_positions(model: GemmaModel, positions: Tensor, types: Tensor, *, unit: float) -> float:
    """Fit the first feed-forward block to the teacher's position and segment embeddings.

    Args:
        model: The transplant with its marks.
        positions: The teacher's position embeddings, each with mean 0, one per position of the longest input.
        types: Its two segment embeddings, each with mean 0.
        unit: The unit of the scale in a token's embedding.

    Returns:
        The relative squared error.
    """
    start, mlp, units = model.config.hidden_size - EXTRA, model.layers[0].mlp, model.config.intermediate_size
    exact, rounded = _probe(model, rounded=False), _probe(model, rounded=True)
    states, side, place, scale = (torch.cat(parts) for parts in zip(rounded, exact, strict=True))
    channels = [start + channel for channel in (SIDE, *range(FEATURES, FEATURES + len(SINUSOIDS)))]
    mean, deviation, constant = states[:, channels].mean(0), states[:, channels].std(0), states[0, start + CONSTANT]
    torch.manual_seed(0)
    spread = torch.tensor([2.0, *(SPREAD[pair] for pair, _, _ in SINUSOIDS)])
    weight = torch.randn(units, len(channels)) * spread / deviation
    mlp.gate_proj.weight[:, channels] = weight
    mlp.gate_proj.weight[:, start + CONSTANT] = (torch.randn(units) - weight @ mean) / constant
    mlp.up_proj.weight[:, start + SCALE] = 1.0
    active = []
    for part, low in ((rounded[0], True), (exact[0], False)):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            active.append((mlp.act_fn(mlp.gate_proj(part)) * mlp.up_proj(part)).float())
    hidden, target = torch.cat(active), (positions[place] + types[side]) * (scale / unit)[:, None]
    found = ridge(hidden, target, strength=1e-5)
    mlp.down_proj.weight[:start] = found.T
    return float((hidden @ found - target).pow(2).sum() / target.pow(2).sum())


def ridge(inputs: Tensor, targets: Tensor, *, strength: float) -> Tensor:
    """Return the least-squares map; `strength` is that of the penalty, relative to the inputs' mean energy."""
    rows = inputs.double()
    energy = rows.T @ rows
    energy += strength * energy.diagonal().mean() * torch.eye(len(energy), dtype=energy.dtype)
    found: Tensor = torch.linalg.solve(energy, rows.T @ targets.double()).float()
    return found


def _probe(model: GemmaModel, *, rounded: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what the feed-forward block reads, segment, position and scale, for queries of many lengths."""
    layer, start, found = model.layers[0], model.config.hidden_size - EXTRA, []
    place, longest = torch.arange(LONGEST), LONGEST
    for first in range(3, 43, 4):
        ids = torch.full((1, longest), PROBE_ID)
        ids[0, 0], ids[0, first - 1], ids[0, -1] = CLS_ID, SEP_ID, EOS_ID
        rows = model.embed_tokens(ids)
        turns, mask = model.rotary_emb(rows, place[None]), torch.zeros(1, 1, 1, longest)
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            seen = layer.self_attn(layer.input_layernorm(rows), position_embeddings=turns, attention_mask=mask)[0]
        states = layer.post_attention_layernorm(rows + seen.float())[0]
        found.append((states, (place >= first).long(), place, rows[0, :, start + SCALE]))
    states, side, places, scale = (torch.cat(parts) for parts in zip(*found, strict=True))
    return states, side, places, scale
