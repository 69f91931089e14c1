"""Fit the last layer before all layers are trained: the gradients of a random last layer would distort the others."""

from typing import Any, cast

import numpy as np
import torch
from sentence_transformers.base.modules import Dense
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.glue.examples import Split
from gemma_st.glue.tasks import HIGHEST_GRADE, Task
from gemma_st.losses.classification import pairs

PENALTY = 0.1  # weight of the squared norm of the weights of standardised features
MAX_STEPS = 200
MIN_DEVIATION = torch.finfo(torch.float32).tiny ** 0.25  # added to standard deviations, which may be 0


def fit_last_layer(task: Task, model: CrossEncoder, split: Split, *, own: bool = False, batch_size: int = 64) -> None:
    """Fit the last layer on its inputs, which the frozen layers before it compute for the training set.

    L-BFGS minimises ``loss(W x + b) + 0.1 |W|²``, where ``x`` are the standardised inputs of the last layer. With
    ``own``, the last layer is a copy of a cross-encoder's, and the score of the cross-encoder is one more feature:
    how two texts compare may be visible in that weighted sum only, and not in single features.

    References:
        Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, ICLR 2022.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> model, texts = CrossEncoder("reranker"), [("a dog", "a dog"), ("a dog", "gold")]
        >>> fit_last_layer(TASKS["sts-b"], model, Split(texts, np.array([5.0, 0.0]), index=[0, 1]))
        >>> model.predict(texts).round().tolist()
        [1.0, 0.0]
    """
    inputs, last = _inputs(model, split, batch_size), cast(Dense, model[-1])
    known = last.linear.weight.detach()[: int(own)]  # (1, width), or (0, width)
    inputs = torch.cat([inputs, inputs @ known.T], 1)  # (inputs, width + 1), or (inputs, width)
    mean, scale = inputs.mean(0), inputs.std(0) + MIN_DEVIATION
    inputs, labels = (inputs - mean) / scale, torch.as_tensor(split.labels, device=inputs.device)
    weight = torch.zeros(model.num_labels, inputs.shape[1], device=inputs.device, requires_grad=True)
    bias = torch.zeros(model.num_labels, device=inputs.device, requires_grad=True)
    optimizer: Any = torch.optim.LBFGS([weight, bias], max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

    def objective() -> float:
        optimizer.zero_grad()
        scores = (inputs @ weight.T + bias).view(len(split.texts), -1)
        loss = cross_entropy(scores, labels) if task.labels else mse_loss(scores[:, 0], labels.float() / HIGHEST_GRADE)
        loss = loss + PENALTY * weight.square().sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    optimizer.step(objective)
    with torch.no_grad():
        weight = weight / scale
        last.linear.bias.copy_(bias - weight @ mean)
        width = last.in_features
        last.linear.weight.copy_(weight[:, :width] + weight[:, width:] @ known)


@torch.no_grad()
def _inputs(model: CrossEncoder, split: Split, batch_size: int) -> Tensor:
    """Return the inputs of the last layer in float32, one row for each text or pair, in the order of the examples."""
    texts = [pair for row in split.texts for pair in pairs(row)]
    order = np.argsort([len(str(text)) for text in texts], kind="stable")
    model.eval()
    found = []
    for start in range(0, len(order), batch_size):
        features = model.preprocess([texts[place] for place in order[start : start + batch_size]])
        features = {key: value.to(model.device) for key, value in features.items() if isinstance(value, Tensor)}
        for module in list(model)[:-1]:
            features = module(features)
        found.append(features["sentence_embedding"].float())
    return torch.cat(found)[torch.from_numpy(np.argsort(order, kind="stable"))]
