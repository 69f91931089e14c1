"""The last layer fitted alone, before all is trained: a random one would first undo what stands before it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gemma_st.glue.tasks import HIGHEST, Task
from gemma_st.losses.classification import pairs

if TYPE_CHECKING:
    from torch import Tensor

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.glue.examples import Split

PENALTY = 0.1  # times the squared weights of standardised features
STEPS = 200
SMALLEST = 1e-6  # spread of a feature that is worth a division


def fit_last_layer(
    task: Task, model: "CrossEncoder", split: "Split", *, own: bool = False, batch_size: int = 64
) -> None:
    """Fit the last layer to what the others, as they are, make of the training set.

    The task's loss, plus ``0.1 |W|²`` with features standardised, is taken to its minimum by L-BFGS.

    Args:
        task: The task.
        model: Changed in place.
        split: The training set.
        own: Whether the last layer is a whole cross-encoder's; its score is then one more feature, since what its head
            compares may show in that sum alone.
        batch_size: Inputs at once.

    References:
        Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, ICLR 2022.
    """
    inputs, last = _inputs(model, split, batch_size), model[-1].linear
    known = last.weight.detach()[: int(own)]  # its first row, or none
    inputs = torch.cat([inputs, inputs @ known.T], 1)
    mean, scale = inputs.mean(0), inputs.std(0) + torch.finfo(torch.float32).tiny ** 0.25
    inputs, labels = (inputs - mean) / scale, torch.as_tensor(split.labels, device=inputs.device)
    weight = torch.zeros(model.num_labels, inputs.shape[1], device=inputs.device, requires_grad=True)
    bias = torch.zeros(model.num_labels, device=inputs.device, requires_grad=True)
    optimizer: Any = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def objective() -> float:
        optimizer.zero_grad()
        scores = (inputs @ weight.T + bias).view(len(split.texts), -1)
        loss = _loss(task, scores, labels) + PENALTY * weight.square().sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    optimizer.step(objective)
    with torch.no_grad():
        weight = weight / scale
        last.bias.copy_(bias - weight @ mean)
        width = last.in_features
        last.weight.copy_(weight[:, :width] + weight[:, width:] @ known)


def _loss(task: Task, scores: "Tensor", labels: "Tensor") -> "Tensor":
    from torch.nn.functional import cross_entropy, mse_loss

    return cross_entropy(scores, labels) if task.labels else mse_loss(scores[:, 0], labels.float() / HIGHEST)


@torch.no_grad()
def _inputs(model: "CrossEncoder", split: "Split", batch_size: int) -> "Tensor":
    """Return what the last layer gets, in float32, of each text or pair in the order of the examples."""
    texts = [pair for row in split.texts for pair in pairs(row)]
    order = np.argsort([len(str(text)) for text in texts], kind="stable")
    model.eval()
    found = []
    for start in range(0, len(order), batch_size):
        features = model.preprocess([texts[place] for place in order[start : start + batch_size]])
        features = {key: value.to(model.device) for key, value in features.items() if isinstance(value, torch.Tensor)}
        for module in list(model)[:-1]:
            features = module(features)
        found.append(features["sentence_embedding"].float())
    return torch.cat(found)[torch.from_numpy(np.argsort(order, kind="stable"))]
