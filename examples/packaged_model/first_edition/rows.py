"""A pair in one row, as a bi-encoder reads it: ``[CLS] query [SEP] [CLS] document [SEP]``, either blind to the other.

A transplanted student's template has the same length, so that each of its tokens has its own target.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from first_edition.positions import SEP_ID

if TYPE_CHECKING:
    from transformers import BertModel


class Row(NamedTuple):
    """Where the tokens of a batch are."""

    filled: Tensor  # (pairs, length): no padding
    side: Tensor  # 0 in the first text, 1 from <sep> on
    place: Tensor  # counted from the start of its text


def layout(ids: Tensor) -> Row:
    """Return where the tokens of a student's batch are.

    Args:
        ids: The student's ids, (pairs, length), padded with 0 on the right.
    """
    side = (ids == SEP_ID).cumsum(1).clamp(max=1)
    count = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return Row(ids != 0, side, torch.where(side == 1, count - side.argmax(1, keepdim=True), count))


@torch.no_grad()
def teacher_states(bert: "BertModel", ids: Tensor, row: Row) -> tuple[list[Tensor], list[Tensor]]:
    """Return the teacher's states after its embeddings and each layer, and those after each layer's attention.

    Args:
        bert: The teacher.
        ids: The teacher's ids, laid out as the student's.
        row: Where they are.
    """
    attended: list[Tensor] = []
    hooks = [
        layer.attention.output.register_forward_hook(lambda _, __, output: attended.append(output))
        for layer in bert.encoder.layer
    ]
    seen = (row.side[:, :, None] == row.side[:, None, :]) & row.filled[:, None, :]
    try:
        output = bert(input_ids=ids, position_ids=row.place, attention_mask=seen[:, None], output_hidden_states=True)
    finally:
        for hook in hooks:
            hook.remove()
    return list(output.hidden_states), attended


def pooled(states: Tensor, row: Row, side: int) -> Tensor:
    """Return the normalised mean of the states of one text of each pair."""
    return normalize(averaged(states, row, side), dim=-1)


def averaged(states: Tensor, row: Row, side: int) -> Tensor:
    """Return the mean of the states of one text of each pair."""
    mask = ((row.side == side) & row.filled)[..., None]
    return (states * mask).sum(1) / mask.sum(1)
