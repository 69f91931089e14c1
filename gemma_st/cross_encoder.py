"""The cross-encoder: ``CrossEncoder("gemma-encoder-msmarco").predict(pairs)``."""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sentence_transformers
import torch
from numpy.typing import NDArray
from sentence_transformers.base.modality_types import PairableInput, PairInput
from sentence_transformers.util.decorators import cross_encoder_predict_rank_args_decorator, deprecated_kwargs
from typing_extensions import TypeIs

from gemma_st.base import Encoder
from gemma_st.errors import ModelError
from gemma_st.labels import Labelled
from gemma_st.modeling.pair_checks import is_text_pair, refuse_characters, refuse_non_finite, refuse_types
from gemma_st.modeling.truncation import ThreadCounts, Truncation, Truncator
from gemma_st.modeling.windows import combine_scores, split_windows
from gemma_st.signatures import Activation, Device, Pool, old_names, typed_as

logger = logging.getLogger(__name__)


class CrossEncoder(Labelled, Encoder, sentence_transformers.CrossEncoder):
    """The stock cross-encoder, which also verifies its attention mask at load and reports every truncation.

    If a pair is too long, its document is truncated before its query. The attribute ``truncation`` counts the truncated
    inputs of the thread's last prediction. If ``stride`` is set, a long document is not truncated but split into
    windows that start ``stride`` tokens apart, and its score is ``(2 · max(window scores) + first window score) / 3``
    (see ``gemma_st.modeling.windows``). The stride is saved with the model.

    The arguments are those of the stock class; ``model_name_or_path`` is a directory, else a packaged model (see
    [gemma_st.names.packaged][]), else a hub id.

    Examples:
        >>> model = CrossEncoder("reranker")
        >>> model.predict([("do goldfish grow", "A goldfish grows up to 30 cm."), ("what is python", "a snake")]).shape
        (2,)
    """

    stride: int | None = None
    truncation = ThreadCounts()

    @old_names
    @deprecated_kwargs(name="model_name_or_path")
    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        *,
        modules: list[torch.nn.Module] | OrderedDict[str, torch.nn.Module] | None = None,
        device: str | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        model_card_data: sentence_transformers.CrossEncoderModelCardData | None = None,
        backend: Literal["torch", "onnx", "openvino"] = "torch",
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        keep_in_fp32_modules: list[str] | None = None,
    ) -> None:
        """Load the model or assemble it from modules."""
        at: dict[str, Any] = {"token": token, "cache_folder": cache_folder, "revision": revision}
        at["local_files_only"] = local_files_only
        with self._loading(model_name_or_path, modules, trusted=trust_remote_code, **at) as source:
            super().__init__(
                source,
                modules=modules,
                device=device,
                prompts=prompts,
                default_prompt_name=default_prompt_name,
                cache_folder=cache_folder,
                trust_remote_code=trust_remote_code,
                revision=revision,
                local_files_only=local_files_only,
                token=token,
                model_kwargs=model_kwargs,
                processor_kwargs=processor_kwargs,
                config_kwargs=config_kwargs,
                model_card_data=model_card_data,
                backend=backend,
                num_labels=num_labels,
                max_length=max_length,
                activation_fn=activation_fn,
                keep_in_fp32_modules=keep_in_fp32_modules,
            )

    @typed_as(sentence_transformers.CrossEncoder.predict)
    @cross_encoder_predict_rank_args_decorator
    def predict(
        self,
        inputs: Sequence[PairInput] | PairInput,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Device | None = None,
        pool: Pool | None = None,
        chunk_size: int | None = None,
        **kwargs: Any,
    ) -> NDArray[np.float32] | torch.Tensor | list[torch.Tensor]:
        """Score pairs of query and document, or a single pair; the arguments are those of the stock class.

        ``kwargs`` are options of ``preprocess``, such as ``max_length`` in tokens. The scores have the shape
        ``(pairs,)``, or ``(pairs, labels)`` for several labels; no pairs give an empty float32 array. A ModelError: a
        stride below 1 or together with several labels, an input that is no pair, or a score that is not finite.
        """
        given: Any = inputs.tolist() if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "UO" else inputs
        single = self.is_singular_input(inputs)
        # A list of pairs of which the first is none looks like a single input.
        rows = given if not single or (isinstance(given, list) and any(map(is_text_pair, given))) else [given]
        self._refuse(rows, kwargs)
        self.truncation = Truncation()
        options = (prompt_name, prompt, batch_size, show_progress_bar, activation_fn, apply_softmax)
        output = (convert_to_numpy, convert_to_tensor, device, pool, chunk_size)
        scores = super().predict(inputs, *options, *output, **kwargs)
        found = torch.stack(scores) if isinstance(scores, list) and scores else torch.as_tensor(scores)
        refuse_non_finite(found.unsqueeze(0) if single else found, next(self.parameters()).dtype)
        if self.truncation.queries or self.truncation.lost:
            logger.warning("%s", self.truncation)
        return scores.astype(np.float32, copy=False) if isinstance(scores, np.ndarray) else scores

    def predict_texts(
        self,
        texts: Sequence[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        device: Device | None = None,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Score single texts; ``predict(["a", "b"])`` would read two texts as one pair.

        The arguments, and those that ``kwargs`` accepts, are those of ``predict``. The scores have the shape
        ``(texts,)``, or ``(texts, labels)`` for several labels.
        """
        if isinstance(texts, str):
            raise ModelError(f"predict_texts({texts[:20]!r}): a string; expected a list of texts, so put it into one")
        options = (prompt_name, prompt, batch_size, show_progress_bar, activation_fn, apply_softmax)
        inputs: Any = _Texts(texts)
        scores: NDArray[np.float32] = self.predict(inputs, *options, device=device, **kwargs)
        return scores

    @cross_encoder_predict_rank_args_decorator
    def rank(
        self,
        query: PairableInput,
        documents: Sequence[PairableInput],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        device: Device | None = None,
        pool: Pool | None = None,
        chunk_size: int | None = None,
    ) -> list[dict[Literal["corpus_id", "score", "text"], int | float | str]]:
        """Rank documents by their scores for a query; the arguments are those of the stock class.

        The result is ``{"corpus_id": index in documents, "score": float}`` in descending order of the score, with
        ``"text"`` if ``return_documents`` is true, for the best ``top_k`` documents; for all if it is not given or if
        there are fewer.
        """
        if top_k is not None and (not isinstance(top_k, int | np.integer) or top_k < 1):
            raise ModelError(f"top_k={top_k!r}; expected at least 1, or None for all documents")
        if isinstance(documents, Mapping) or not hasattr(documents, "__iter__"):
            raise ModelError(f"documents of type {type(documents).__name__}; expected a list of texts")
        if np.ndim(return_documents):
            raise ModelError(f"return_documents={return_documents!r}; expected True or False")
        options = (prompt_name, prompt, batch_size, show_progress_bar, activation_fn, device, pool, chunk_size)
        return super().rank(query, documents, top_k, return_documents, *options)

    def is_singular_input(self, inputs: PairInput | Sequence[PairInput]) -> TypeIs[PairInput]:
        """Return whether the input is a single pair."""
        return not isinstance(inputs, _Texts) and super().is_singular_input(inputs)

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        *,
        max_length: int | None = None,
        processing_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Tokenize pairs or single texts; a document is truncated before its query, and ``truncation`` counts both.

        ``max_length`` in tokens is the model's own if not given; ``kwargs`` are options of the stock
        ``Transformer.preprocess``. With a ``truncation`` among ``processing_kwargs["text"]``, the tokenizer truncates
        as it says, as in the stock class: True shortens the longer text of a pair first.
        """
        options = {"max_length": max_length, "processing_kwargs": processing_kwargs, **kwargs}
        features: dict[str, Any] = {}
        counts, truncator = None, self._truncator(max_length, processing_kwargs)
        if truncator is None or not all(isinstance(item, str) or is_text_pair(item) for item in inputs):
            return super().preprocess(inputs, prompt, **options)
        named = self._text_options(processing_kwargs)
        if "truncation" in named:
            features = super().preprocess(inputs, prompt, **options)
            counts = truncator.stock_counts(features)
            if counts is None:  # no tokenizer's batch: those are counted that are too long
                never = named["truncation"] in (False, "do_not_truncate")
                counts = Truncation(inputs=len(inputs)) if never else truncator.cut(inputs, prompt)[1]
            self.truncation = self.truncation.plus(counts)
            return features
        if not self._can_flatten_inputs() and "message" not in self.modalities:
            features = super().preprocess(inputs, prompt, **options)
            counts = truncator.counts(features, prompt)
        if counts is None:  # it has truncated a query, or does not tell
            inputs, counts = truncator.cut(inputs, prompt)
            features = super().preprocess(inputs, prompt, **options)
        self.truncation = self.truncation.plus(counts)
        return features

    def _truncator(self, max_length: int | None, processing_kwargs: Mapping[str, Any] | None) -> Truncator | None:
        longest, transformer = self._longest(max_length, processing_kwargs), self[0]
        if not longest or self.tokenizer is None:
            return None
        budgets = {name: getattr(transformer, name) for name in ("query_length", "document_length")}
        return Truncator(self.tokenizer, longest, **budgets)

    def _refuse(self, inputs: Sequence[object], options: Mapping[str, Any]) -> None:
        """Refuse, before anything is scored, inputs and options that cannot be."""
        if self.stride is not None and (self.stride < 1 or self.num_labels > 1):
            raise ModelError(
                f"stride={self.stride} with {self.num_labels} label(s); expected at least 1, with one label, or None"
            )
        refuse_types(inputs)
        refuse_characters(inputs)
        self._longest(options.get("max_length"), options.get("processing_kwargs"))
        self._refuse_precision()

    def _multi_process(self, inputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Score in several processes, each of which returns its counts too."""
        parts: Any = super()._multi_process(inputs, *args, counted=True, **kwargs)
        for _, counts in parts:
            self.truncation = self.truncation.plus(counts)
        return torch.cat([scores for scores, _ in parts]) if parts else []

    @torch.inference_mode()
    def _inference(self, inputs: list[Any], *, prompt: str | None = None, counted: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401
        """Score a list of inputs; with a stride, long documents in windows: logits are combined, then activated.

        If ``counted``, the result is one pair of scores and counts, for the process that asked for it.
        """
        if counted:
            self.truncation = Truncation()
            return [(self._inference(inputs, prompt=prompt, **kwargs), self.truncation)]
        activation, softmax = kwargs.get("activation_fn"), kwargs.get("apply_softmax")
        windows, sizes, counts = inputs, [1] * len(inputs), None
        truncator = self._truncator(kwargs.get("max_length"), kwargs.get("processing_kwargs")) if self.stride else None
        if self.stride and truncator and all(map(is_text_pair, inputs)):
            windows, sizes, counts = split_windows(truncator, inputs, self.stride, prompt)
        logits_only = kwargs | {"activation_fn": None, "apply_softmax": False}
        scores: torch.Tensor = super()._inference(windows, prompt=prompt, **logits_only)
        self.truncation = counts or self.truncation
        wrong = ~scores.isfinite()
        if len(windows) > len(inputs):
            scores, wrong = combine_scores(scores, sizes), combine_scores(wrong.float(), sizes) > 0
        if activation is not None and inputs:  # it gets (inputs, labels), as in the stock class
            scores = activation(scores.unsqueeze(-1) if scores.ndim == 1 else scores)
            scores = scores.squeeze(-1) if self.num_labels == 1 and scores.ndim > 1 else scores
        scores = scores.softmax(1) if softmax and scores.ndim > 1 else scores
        if wrong.any():  # marked for predict, which has the index; activation and maximum may hide an infinite logit
            scores = scores.float()
            scores[wrong.any(1) if wrong.ndim > 1 else wrong] = torch.nan
        return scores

    def _get_model_config(self) -> dict[str, Any]:
        return {**super()._get_model_config(), **({"stride": self.stride} if self.stride else {})}

    def _parse_model_config(self, model_config: dict[str, Any]) -> None:
        super()._parse_model_config(model_config)
        self.stride = model_config.get("stride")


class _Texts(list[str]):
    """Single texts, which is_singular_input tells from a pair of two strings."""
