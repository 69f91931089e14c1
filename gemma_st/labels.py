"""The labels of a classifier: names and probabilities from rows of scores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers.cross_encoder.model import CrossEncoder as Base
else:
    Base = object


class Labelled(Base):
    """Mixin for a cross-encoder whose scores ``(texts, labels)`` are those of named labels.

    Examples:
        >>> from gemma_st.build import cross_encoder
        >>> cross_encoder("decoder", labels=["no", "yes"]).labels(np.array([[0.1, 0.2], [3, 2]]))
        ['yes', 'no']
    """

    @property
    def label_names(self) -> list[str]:
        """The name of each column of the scores, from the model's configuration."""
        config: Any = self.config
        return [config.id2label.get(column, f"LABEL_{column}") for column in range(self.num_labels)]

    def labels(self, scores: NDArray[np.float32]) -> list[str]:
        """Return the name of the best label of each row of scores ``(texts, labels)``."""
        return [self.label_names[best] for best in self._rows(scores).argmax(1)]

    def probabilities(self, scores: NDArray[np.float32]) -> list[dict[str, float]]:
        """Return the probabilities by label of each row of scores ``(texts, labels)``: their softmax in float64."""
        rows = np.exp(self._rows(scores) - scores.max(1, keepdims=True), dtype=np.float64)
        return [dict(zip(self.label_names, row.tolist(), strict=True)) for row in rows / rows.sum(1, keepdims=True)]

    def _rows(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.num_labels < 2 or scores.ndim != 2 or scores.shape[1] != self.num_labels:
            raise ModelError(
                f"scores of shape {np.shape(scores)} from a model with {self.num_labels} label(s); "
                "expected (texts, labels) with at least 2 labels"
            )
        return scores
