"""Functions that the calls in stock_calls use where one expression would not do."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

__all__ = [
    "classification",
    "compiled",
    "correlation",
    "dataset",
    "in_pool",
    "reranking",
    "saved",
    "set_length",
    "trained",
    "truncated",
]
TEXTS = ["a grant of patent", "a license", "the work", "no warranty", "copies", "a notice"]
ROWS = {"query": TEXTS, "document": TEXTS[::-1], "label": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]}


def dataset(pairs: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    """Return a data set with a column of pairs."""
    from datasets import Dataset

    return Dataset.from_dict({"pair": [list(pair) for pair in pairs]})


def in_pool(model: Any, call: Callable[[Any], object]) -> object:  # noqa: ANN401
    """Make a call with a pool of one process."""
    pool = model.start_multi_process_pool(["cpu"])
    try:
        return call(pool)
    finally:
        model.stop_multi_process_pool(pool)


def set_length(model: Any, length: int) -> Any:  # noqa: ANN401
    """Set the longest input of a model."""
    model.max_seq_length = length
    return model


def saved(model: Any, method: str, **options: object) -> list[str]:  # noqa: ANN401
    """Save a model and return the names of its files."""
    with tempfile.TemporaryDirectory() as folder:
        getattr(model, method)(folder, **options)
        return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


@contextlib.contextmanager
def _truncated(model: Any) -> Iterator[Any]:  # noqa: ANN401
    with model.truncate_embeddings(8):
        yield model


class _Truncated:
    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self.model = model

    def encode(self, texts: list[str]) -> object:
        with _truncated(self.model) as model:
            return model.encode(texts)


truncated = _Truncated


def compiled(model: Any) -> Any:  # noqa: ANN401
    """Return a copy of a model whose forward is traced by torch.compile, without generating code."""
    import copy

    twin = copy.deepcopy(model)
    twin.compile(backend="eager")
    return twin


def trained(model: Any, *, trainer: dict[str, object] | None = None, **arguments: object) -> object:  # noqa: ANN401
    """Train a model for two steps and return its scores."""
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    with tempfile.TemporaryDirectory() as folder:
        given = {"output_dir": folder, "max_steps": 2, "per_device_train_batch_size": 2, "report_to": "none"}
        quiet = {"use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
        made = CrossEncoderTrainingArguments(**{**given, **quiet, **arguments})
        options: dict[str, Any] = {"train_dataset": Dataset.from_dict(ROWS), "eval_dataset": Dataset.from_dict(ROWS)}
        options |= {"model": model, "args": made, "loss": BinaryCrossEntropyLoss, **(trainer or {})}
        runner = CrossEncoderTrainer(**options)
        torch.manual_seed(0)
        runner.train()
        return runner.model.predict(list(zip(TEXTS, TEXTS[1:], strict=False)))


def reranking(**options: Any) -> Any:  # noqa: ANN401
    """Return the evaluator of rankings."""
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator

    samples = [{"query": TEXTS[0], "positive": TEXTS[1:2], "negative": TEXTS[2:]}]
    return CrossEncoderRerankingEvaluator(samples, write_csv=False, **options)


def classification() -> Any:  # noqa: ANN401
    """Return the evaluator of classes."""
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderClassificationEvaluator

    pairs = [list(pair) for pair in zip(TEXTS, TEXTS[::-1], strict=True)]
    return CrossEncoderClassificationEvaluator(pairs, [0, 1, 0, 1, 0, 1], write_csv=False)


def correlation() -> Any:  # noqa: ANN401
    """Return the evaluator of scores."""
    from sentence_transformers.cross_encoder.evaluation import CrossEncoderCorrelationEvaluator

    pairs = [list(pair) for pair in zip(TEXTS, TEXTS[::-1], strict=True)]
    return CrossEncoderCorrelationEvaluator(pairs, [0.0, 0.2, 0.4, 0.1, 0.9, 1.0], write_csv=False)
