"""Distillation of scores and states: the student's last state, through a learnt map, follows the teacher's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gemma_st.errors import ModelError
from gemma_st.losses.distillation import ScoreDistillationLoss

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class StatesLoss(ScoreDistillationLoss):
    """``KL(softmax(teacher / T) ‖ softmax(scores / T)) + weight · mean |W h + b - t|² / width`` over each list.

    ``h`` is the state that the student's last layer reads, and ``t`` the state that the teacher's last layer reads. W
    and b belong to the loss: they are trained with the model and are not saved with it.

    Args:
        model: A cross-encoder with one label.
        teacher_width: Number of values of a state of the teacher.
        weight: Weight of the states, at least 0.
        temperature: T, above 0.
        mini_batch_size: Number of pairs in one forward pass.

    Inputs:
        | Texts                               | Labels                           | Number of model output labels |
        |-------------------------------------|----------------------------------|-------------------------------|
        | (query, [document, …]), any length  | [[teacher's score, *state], …]   | 1                             |

    Relations:
        - [gemma_st.training.teacher.Teacher][] computes the labels.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> loss = StatesLoss(CrossEncoder("reranker"), teacher_width=2)
        >>> labels = [torch.tensor([[7.1, 0.3, -0.9], [-2.5, 0.1, 0.8]])]
        >>> loss([["goldfish"], [["Goldfish grow.", "Gold is a metal."]]], labels).item() > 0
        True
    """

    learns_from_states = True

    def __init__(
        self,
        model: "CrossEncoder",
        *,
        teacher_width: int,
        weight: float = 1.0,
        temperature: float = 1.0,
        mini_batch_size: int = 32,
    ) -> None:
        """Make the map; its start depends on torch's seed only."""
        super().__init__(model, temperature=temperature, mini_batch_size=mini_batch_size)
        if weight < 0 or teacher_width < 1:
            raise ModelError(f"weight {weight}, teacher_width {teacher_width}; expected at least 0 and at least 1")
        self.weight, self.map = weight, nn.Linear(_width(model), teacher_width, device=model.device)
        for parameter in self.map.parameters():  # DDP averages the gradients of the model only
            parameter.register_hook(_average)  # type: ignore[no-untyped-call]

    def forward(
        self, inputs: Sequence[Any], labels: Sequence[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the loss of a batch."""
        pairs, sizes = self.pairs(inputs, labels)
        outputs = self.read(pairs, prompt, task)  # (pairs, 1 + student's width)
        targets = torch.cat(list(labels)).to(outputs)  # (pairs, 1 + teacher's width)
        errors = (self.map(outputs[:, 1:]) - targets[:, 1:]).square().mean(1)  # (pairs,)
        states = torch.stack([part.mean() for part in errors.split(sizes)]).mean()
        return self.mean(outputs[:, 0], targets[:, 0], sizes) + self.weight * states

    def columns(self, output: dict[str, Tensor]) -> Tensor:
        """Return score and state of each pair; (pairs, 1 + student's width)."""
        return torch.cat([super().columns(output), output["sentence_embedding"].float()], 1)


def _width(model: "CrossEncoder") -> int:
    """Return the number of values that the last layer of a model reads."""
    width = getattr(model[-1], "in_features", None)
    if not isinstance(width, int):
        raise ModelError(f"StatesLoss with a model whose last module is {type(model[-1]).__name__}; expected Dense")
    return width


def _average(gradient: Tensor) -> Tensor:
    """Return the mean of a gradient over all processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gradient = gradient / torch.distributed.get_world_size()
        torch.distributed.all_reduce(gradient)
    return gradient
