"""Cross-entropy and squared error for tasks of one text, two, or a choice between several."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder


class _TextLoss(nn.Module):
    """What scores the columns of a batch: single texts, pairs, or a first text with each of the others."""

    def __init__(self, model: "CrossEncoder") -> None:
        super().__init__()
        self.model = model

    def scores(self, columns: Sequence[Sequence[str]]) -> Tensor:
        """Return float32 scores, ``(examples, labels)``, or of a choice ``(examples, texts to choose from)``."""
        first, *others = columns
        texts = [pair for row in zip(first, *others, strict=True) for pair in pairs(row)]
        features = self.model.preprocess(texts)
        features = {key: value.to(self.model.device) for key, value in features.items() if isinstance(value, Tensor)}
        scores: Tensor = self.model(features)["scores"]
        return scores.float().view(len(first), -1)


def pairs(texts: Sequence[str]) -> list[str] | list[tuple[str, str]]:
    """Return what a model scores of an example: its one text, or its first text with each of the others.

    Args:
        texts: The example's.
    """
    first, *others = texts
    return [(first, other) for other in others] if others else [first]


class ClassificationLoss(_TextLoss):
    """``-log softmax(scores)[label]``, the mean over examples, in float32.

    The stock ``CrossEntropyLoss`` is that of pairs; this one takes single texts, too, and choices: the scores of a
    choice are those of its pairs, from a model of one label.

    Args:
        model: A cross-encoder.

    Inputs:
        | Texts                                 | Labels                | Labels of the model |
        |---------------------------------------|-----------------------|---------------------|
        | text                                  | number of a class     | classes             |
        | (text, text)                          | number of a class     | classes             |
        | (text, choice 0, choice 1, …)         | number of a choice    | 1                   |

    References:
        Choices: Roemmele, Bejan and Gordon, 2011 (COPA), scored in pairs as in SuperGLUE (Wang et al., NeurIPS 2019).

    Example:
        ```python
        from gemma_st.build import cross_encoder
        from gemma_st.losses.classification import ClassificationLoss

        loss = ClassificationLoss(cross_encoder("google/gemma-3-270m", labels=["negative", "positive"]))
        ```
    """

    def forward(
        self, inputs: list[list[str]], labels: Tensor, prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the loss of a batch."""
        scores = self.scores(inputs)
        if int(labels.max()) >= scores.shape[1] or scores.shape[1] < 2:
            raise ModelError(
                f"labels up to {int(labels.max())} for {scores.shape[1]} scores; expected a score a class, at least 2: "
                "build the model with labels=, or give several texts to choose from"
            )
        return cross_entropy(scores, labels.view(-1))


class RegressionLoss(_TextLoss):
    """``(score - label / highest)²``, the mean over examples, in float32.

    Scores thus go from 0 to 1 whatever the grades do: a fresh head begins near 0, and a learning rate means the same.

    Args:
        model: A cross-encoder of one label.
        highest: The highest grade.

    Raises:
        ModelError: The model has several labels.

    Inputs:
        | Texts                | Labels |
        |----------------------|--------|
        | text or (text, text) | grade  |
    """

    def __init__(self, model: "CrossEncoder", highest: float) -> None:
        """Check the model."""
        super().__init__(model)
        if model.num_labels != 1:
            raise ModelError(
                f"regression with a model of {model.num_labels} labels; expected one: build it with labels=1"
            )
        self.highest = highest

    def forward(
        self, inputs: list[list[str]], labels: Tensor, prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the loss of a batch."""
        return mse_loss(self.scores(inputs)[:, 0], labels.view(-1).float() / self.highest)
