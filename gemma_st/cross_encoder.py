"""The line users write: ``CrossEncoder("gemma-encoder-msmarco").predict(pairs)``."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sentence_transformers
import torch
from numpy.typing import NDArray

from gemma_st.base import Encoder
from gemma_st.errors import ModelError
from gemma_st.modeling.truncation import Text, Truncation, Truncator

Pairs = Sequence[tuple[str, str]] | Sequence[Sequence[str]] | tuple[str, str]
logger = logging.getLogger(__name__)
FIRST = 1 / 3  # the weight of a first window's score beside the best one's; chosen on training queries of five sets


class CrossEncoder(Encoder, sentence_transformers.CrossEncoder):
    """The stock cross-encoder, with the names of packaged models, poolers of ours, and nothing done in silence.

    Its attention is tested when it is loaded, the query of a pair is never cut before the document, and ``truncation``
    says how many inputs of the last prediction were cut. With a ``stride``, no document is: one that is too long is
    scored in windows that begin so many tokens apart, the best one's score counting twice and the first one's, where a
    document says what it is about, once (MaxP and FirstP: Dai & Callan, Deeper Text Understanding for IR with
    Contextual Neural Language Modeling, SIGIR 2019). It is saved with the model.

    Args:
        name: A local directory, else a packaged model (see [gemma_st.names.packaged][]), else a hub id.
        modules: The modules themselves, in place of a name.
        **options: As for ``sentence_transformers.CrossEncoder``.

    Raises:
        ModelError: There is no such model, or a model saved as bidirectional runs causally here.

    Example:
        ```python
        from gemma_st import CrossEncoder

        model = CrossEncoder("gemma-encoder-msmarco")
        scores = model.predict([("do goldfish grow", "A goldfish grows up to 30 cm in a pond.")])
        ```
    """

    truncation = Truncation()
    stride: int | None = None

    def predict(self, inputs: Pairs, *arguments: Any, **options: Any) -> NDArray[np.float32]:
        """Score pairs as the stock class does, in float32 even where there are none (it would return float64).

        Args:
            inputs: Pairs of query and document, or a single pair.
            *arguments: As for the stock class.
            **options: As for the stock class.

        Returns:
            A score a pair, of shape ``(pairs,)``, or ``(pairs, labels)`` with several labels; of a single pair, the one
            score. Where ``convert_to_tensor`` asks for a tensor, that.

        Raises:
            ModelError: There is a stride that is below 1, or one with several labels.
        """
        if self.stride is not None and (self.stride < 1 or self.num_labels > 1):
            raise ModelError(
                f"stride={self.stride} with {self.num_labels} label(s); expected at least 1, with one label, or None"
            )
        self.truncation = Truncation()
        scores: NDArray[np.float32] = super().predict(inputs, *arguments, **options)
        if self.truncation.queries or self.truncation.lost:
            logger.warning("%s", self.truncation)
        return scores.astype(np.float32, copy=False) if isinstance(scores, np.ndarray) else scores

    def predict_texts(self, texts: Sequence[str], **options: Any) -> NDArray[np.float32]:
        """Score single texts, which ``predict(["a", "b"])`` would take for one pair.

        Args:
            texts: The texts.
            **options: As for ``predict``.

        Returns:
            Shape ``(texts,)``, or ``(texts, labels)`` with several labels.
        """
        if isinstance(texts, str):
            raise ModelError(f"predict_texts({texts[:20]!r}): a string; expected a list of texts, so put it into one")
        return self.predict(_Texts(texts), **options)

    def rank(
        self, query: str, documents: Sequence[str], top_k: int | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Rank documents by their score for a query.

        Args:
            query: The query.
            documents: The documents.
            top_k: How many to return, from 1 to as many as there are; all if not given.
            **options: As for the stock class.

        Returns:
            ``{"corpus_id": place in documents, "score": float}`` from the best down, with ``"text"`` where
            ``return_documents`` asks for it.

        Raises:
            ModelError: There are fewer than ``top_k`` documents, or it is below 1.
        """
        if top_k is not None and not 0 < top_k <= len(documents):
            raise ModelError(f"top_k={top_k} of {len(documents)} documents; expected 1 to {len(documents)}, or None")
        ranking: list[dict[str, Any]] = super().rank(query, documents, top_k=top_k, **options)
        return ranking

    @property
    def label_names(self) -> list[str]:
        """What each column of the scores stands for, as kept in the model's configuration."""
        names = self.config.id2label
        return [names.get(column, f"LABEL_{column}") for column in range(self.num_labels)]

    def labels(self, scores: NDArray[np.float32]) -> list[str]:
        """Return the name of the best label of each row.

        Args:
            scores: Shape ``(texts, labels)``, as ``predict`` or ``predict_texts`` gives them.
        """
        return [self.label_names[best] for best in self._rows(scores).argmax(1)]

    def probabilities(self, scores: NDArray[np.float32]) -> list[dict[str, float]]:
        """Return each row's probabilities by name: ``softmax(scores)``, in float64.

        Args:
            scores: Shape ``(texts, labels)``, as ``predict`` or ``predict_texts`` gives them.
        """
        rows = np.exp(self._rows(scores) - scores.max(1, keepdims=True), dtype=np.float64)
        return [dict(zip(self.label_names, row.tolist(), strict=True)) for row in rows / rows.sum(1, keepdims=True)]

    def _rows(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.num_labels < 2 or scores.ndim != 2 or scores.shape[1] != self.num_labels:
            raise ModelError(
                f"scores of shape {np.shape(scores)} from a model with {self.num_labels} label(s); "
                "expected (texts, labels) with at least 2 labels"
            )
        return scores

    def is_singular_input(self, inputs: object) -> bool:
        """Say whether the input is one pair rather than several inputs."""
        singular: bool = not isinstance(inputs, _Texts) and super().is_singular_input(inputs)
        return singular

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **options: Any) -> dict[str, Any]:
        """Tokenize a batch, the document of a pair cut before its query, and count what was cut.

        Args:
            inputs: Pairs or single texts.
            prompt: What to put before each query or single text.
            **options: As for the stock class; ``max_length`` in tokens among them.
        """
        truncator = self._truncator(options)
        if truncator and all(map(_is_text, inputs)):
            inputs, counts = truncator.cut(inputs, prompt)
            self.truncation = self.truncation.plus(counts)
        features: dict[str, Any] = super().preprocess(inputs, prompt=prompt, **options)
        return features

    def _truncator(self, options: Mapping[str, Any]) -> Truncator | None:
        longest, transformer = options.get("max_length") or self.max_seq_length, self[0]
        if not longest or self.tokenizer is None:
            return None
        budgets = {name: getattr(transformer, name) for name in ("query_length", "document_length")}
        return Truncator(self.tokenizer, longest, **budgets)

    def _inference(self, inputs: list[Any], *, prompt: str | None, **options: Any) -> torch.Tensor:
        """Score what the stock ``predict`` has made a list, a long document by its best window and its first."""
        windows, sizes, counts = inputs, [1] * len(inputs), None
        if self.stride and (truncator := self._truncator(options)) and all(map(_is_pair, inputs)):
            windows, sizes, counts = truncator.windows(inputs, self.stride, prompt)
        scores: torch.Tensor = super()._inference(windows, prompt=prompt, **options)
        self.truncation = counts or self.truncation
        if len(windows) > len(inputs):
            lengths = torch.tensor(sizes, device=scores.device)
            first = scores[lengths.cumsum(0) - lengths]
            scores = torch.segment_reduce(scores, "max", lengths=lengths).lerp(first, FIRST)
        return scores

    def _get_model_config(self) -> dict[str, Any]:
        return {**super()._get_model_config(), **({"stride": self.stride} if self.stride else {})}

    def _parse_model_config(self, model_config: dict[str, Any]) -> None:
        super()._parse_model_config(model_config)
        self.stride = model_config.get("stride")


class _Texts(list[str]):
    """Single texts, which a plain list of two strings is not."""


def _is_text(item: Text | object) -> bool:
    return isinstance(item, str) or _is_pair(item)


def _is_pair(item: object) -> bool:
    return isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(text, str) for text in item)
