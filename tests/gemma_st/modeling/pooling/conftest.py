"""The poolers under test, and batches for them."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gemma_st.modeling.pooling import pooler

WIDTH = 16
ATTENTION: dict[str, dict[str, Any]] = {
    "query-1": {"name": "query-probe", "heads": 1},
    "query-3": {"name": "query-probe", "probes": 3, "heads": 4},
    "kv-5": {"name": "kv-probe", "probes": 5, "heads": 4},
}
OURS: dict[str, dict[str, Any]] = {
    "first-3": {"name": "first", "k": 3},
    "last-3": {"name": "last", "k": 3},
    **ATTENTION,
}
ALL: dict[str, dict[str, Any]] = {**{name: {"name": name} for name in ("mean", "first", "last")}, **OURS}
LENGTHS = (7, 2, 5, 1)  # two of them shorter than K

each = pytest.mark.parametrize("case", ALL)
each_of_ours = pytest.mark.parametrize("case", OURS)
each_attention = pytest.mark.parametrize("case", ATTENTION)
each_side = pytest.mark.parametrize("side", ["left", "right"])


def make(case: str, **options: Any) -> nn.Module:
    """Make a pooler with weights that differ much from the initial ones."""
    pooling = pooler(**{"width": WIDTH, **ALL[case], **options}).eval()
    torch.manual_seed(3)
    for parameter in pooling.parameters():
        nn.init.normal_(parameter, std=0.5)
    return pooling


def texts(lengths: Sequence[int] = LENGTHS, seed: int = 0) -> list[Tensor]:
    """Draw the states of texts."""
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(length, WIDTH, generator=source) for length in lengths]


def batch(states: Sequence[Tensor], side: str = "right", extra: int = 0, junk: float = 1e3) -> dict[str, Any]:
    """Pad texts to one length with large numbers."""
    length = max(len(text) for text in states) + extra
    embeddings, mask = (
        torch.full((len(states), length, WIDTH), junk),
        torch.zeros(len(states), length, dtype=torch.long),
    )
    for row, text in enumerate(states):
        place = slice(0, len(text)) if side == "right" else slice(length - len(text), length)
        embeddings[row, place], mask[row, place] = text, 1
    return {"token_embeddings": embeddings, "attention_mask": mask}


def pool(pooling: nn.Module, features: dict[str, Any], **more: Any) -> Tensor:
    """Return the pooled states."""
    pooled: Tensor = pooling({**features, **more})["sentence_embedding"]
    return pooled
