"""Moving a Gemma's weights to where float8 is finest, by powers of two that leave what it computes as it is."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import GemmaModel

LARGEST = 256.0  # float8_e4m3fn ends at 448
TYPICAL = 0.1  # well above 1/64, below which it grows coarse
MOST = 8.0  # what is moved from a norm to its readers


@torch.no_grad()
def spread(network: "GemmaModel") -> None:
    """Scale the residual stream so that the token table is of typical size, and the rest to fit.

    A stream may be scaled, since each layer normalises it; a value and its output, a gate's partner and its output, and
    a norm and what reads it may be scaled against each other.

    Args:
        network: The Gemma, changed in place.
    """
    size = float(network.embed_tokens.weight.pow(2).mean().sqrt())
    stream = 2.0 ** round(_log2(TYPICAL / size))
    network.embed_tokens.weight.mul_(stream)
    for layer in network.layers:
        attention, mlp = layer.self_attn, layer.mlp
        attention.o_proj.bias.mul_(stream)
        for inner, outer in (
            ([attention.v_proj.weight, attention.v_proj.bias], attention.o_proj.weight),
            ([mlp.up_proj.weight], mlp.down_proj.weight),
        ):
            excess = 2.0 ** max(0, -(-_log2(float(outer.abs().max()) * stream / LARGEST) // 1))
            outer.mul_(stream / excess)
            for tensor in inner:
                tensor.mul_(excess)
        _move(layer.input_layernorm.weight, [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
        _move(layer.post_attention_layernorm.weight, [mlp.gate_proj.weight, mlp.up_proj.weight])


def _move(norm: Tensor, readers: list[Tensor]) -> None:
    room = LARGEST / max(float(reader.abs().max()) for reader in readers)
    factor = min(MOST, 2.0 ** max(0, _log2(room) // 1))
    norm.copy_((1 + norm) / factor - 1)  # Gemma's norm multiplies by 1 + weight
    for reader in readers:
        reader.mul_(factor)


def _log2(number: float) -> float:
    return float(torch.tensor(number, dtype=torch.float64).log2())
