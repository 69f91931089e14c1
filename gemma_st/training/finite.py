"""Stop training at the first value that is not finite; the trainer would only log a loss of 0 and go on."""

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gemma_st.errors import ModelError


class FiniteValues(TrainerCallback):
    """Raise `ModelError` with the step whose loss, gradient or resulting weights are not finite.

    Examples:
        >>> FiniteValues(loss := torch.nn.MSELoss()).loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, float("nan")]))
        Traceback (most recent call last):
        gemma_st.errors.ModelError: step 1: the loss is nan; expected finite values; use a lower learning_rate, ...
    """

    def __init__(self, loss: torch.nn.Module) -> None:
        """Watch the loss of every mini-batch, also where gradients are accumulated."""
        self.state, self.loss = TrainerState(), loss
        loss.register_forward_hook(lambda _, inputs, value: refuse_infinite("loss", value, self.state.global_step + 1))

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Keep the state, which counts the steps."""
        self.state = state

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Check the weights, before they are saved."""
        trained = (parameter for parameter in self.loss.parameters() if parameter.requires_grad)
        for parameter in trained:  # of a sharded one, the part of this process
            refuse_infinite("gradient or a weight", getattr(parameter, "_local_tensor", parameter), state.global_step)


def refuse_infinite(name: str, value: torch.Tensor | dict[str, torch.Tensor], step: int) -> None:
    """Raise `ModelError` if a value, or a loss that returns its parts by name, is not finite.

    Examples:
        >>> refuse_infinite("loss", {"listwise": torch.tensor(0.5), "margin": torch.tensor(0.1)}, step=1)
    """
    for part in value.values() if isinstance(value, dict) else [value]:
        if not bool(part.isfinite().all()):
            remedy = "use a lower learning_rate, and check the labels and the base"
            raise ModelError(f"step {step}: the {name} is {part.mean().item():g}; expected finite values; {remedy}")
