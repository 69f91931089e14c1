"""Cross-entropy and squared error for tasks over single texts, pairs of texts, or a choice between several texts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder


class _TextLoss(nn.Module, ABC):
    """The base class: a formula over the float32 scores of a batch of texts."""

    def __init__(self, model: "CrossEncoder") -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: Sequence[Sequence[str]], labels: Tensor, prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the loss of a batch: ``inputs`` are its columns of texts."""
        texts = [pair for example in zip(*inputs, strict=True) for pair in pairs(example)]
        features = batch_to_device(self.model.preprocess(texts), self.model.device)
        scores: Tensor = self.model(features)["scores"]
        return self.formula(scores.float().view(len(inputs[0]), -1), labels.view(-1))

    @abstractmethod
    def formula(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss: scores are (examples, labels), or (examples, choices) for a choice; labels (examples,)."""


def pairs(texts: Sequence[str]) -> list[str] | list[tuple[str, str]]:
    """Return the model inputs of one example: a single text as it is, else the first text with each of the others.

    Examples:
        >>> pairs(["The jar fell.", "It broke.", "It flew."])
        [('The jar fell.', 'It broke.'), ('The jar fell.', 'It flew.')]
    """
    first, *others = texts
    return [(first, other) for other in others] if others else [first]


class ClassificationLoss(_TextLoss):
    """``-log softmax(scores)[label]``, the mean over the examples, in float32.

    For a choice, the scores are those of the pairs (text, choice 0), (text, choice 1), … from a model with one label,
    as SuperGLUE scores COPA (Wang et al., NeurIPS 2019). Stock ``CrossEntropyLoss`` reads pairs only.

    Args:
        model: A cross-encoder.

    Inputs:
        | Texts                         | Labels              | Number of model output labels |
        |-------------------------------|---------------------|-------------------------------|
        | text                          | index of the class  | number of classes             |
        | (text, text)                  | index of the class  | number of classes             |
        | (text, choice 0, choice 1, …) | index of the choice | 1                             |

    Examples:
        >>> import torch
        >>> from gemma_st.build import cross_encoder
        >>> loss = ClassificationLoss(cross_encoder("decoder", labels=["negative", "positive"]))
        >>> loss([["It works.", "It does not."]], torch.tensor([1, 0])).item() > 0
        True
    """

    def formula(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        if int(labels.max()) >= scores.shape[1] or scores.shape[1] < 2:
            raise ModelError(
                f"labels up to {int(labels.max())} for {scores.shape[1]} scores; expected a score per label and at "
                "least 2; build the model with labels=, or give each example several texts to choose from"
            )
        return cross_entropy(scores, labels)


class RegressionLoss(_TextLoss):
    """``(score - label / highest)²``, the mean over the examples, in float32.

    Dividing by the highest grade makes the targets range from 0 to 1 in every task, so that the scores of a new head
    begin near the targets and one learning rate suits all scales.

    Args:
        model: A cross-encoder with one label.
        highest: Highest grade of the task.

    Inputs:
        | Texts                | Labels | Number of model output labels |
        |----------------------|--------|-------------------------------|
        | text or (text, text) | grade  | 1                             |

    Examples:
        >>> import torch
        >>> from gemma_st.build import cross_encoder
        >>> loss = RegressionLoss(cross_encoder("decoder"), highest=5.0)
        >>> loss([["A man sings."], ["A man is singing."]], torch.tensor([4.8])).item() > 0
        True
    """

    def __init__(self, model: "CrossEncoder", highest: float) -> None:
        """Check the number of labels."""
        super().__init__(model)
        if model.num_labels != 1:
            raise ModelError(
                f"regression with a model of {model.num_labels} labels; expected 1; build the model with labels=1"
            )
        self.highest = highest

    def formula(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error."""
        return mse_loss(scores[:, 0], labels.float() / self.highest)
