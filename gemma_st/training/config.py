"""The settings of one training stage, as a TOML file describes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gemma_st.errors import ModelError
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.settings import from_table, read_toml, settings
from gemma_st.training.evaluator import EvaluationConfig
from gemma_st.training.lora import AdapterConfig


@settings()
class TrainingConfig:
    """The settings of one training stage; relative paths are relative to the current directory.

    Attributes:
        output: Directory of the trained model; its checkpoints are in the folder ``checkpoints`` below it.
        lists: JSONL files with lines ``{"query": …, "documents": […], "labels": […]}``, as ``ir-eval mine`` writes.
        model: ``base`` (a directory, a packaged model or a hub id), and arguments of [gemma_st.build.cross_encoder][].
            A base that is a cross-encoder is trained further. If ``pooler`` or ``head`` is given, only its backbone is
            kept, and the pooler and the head are new.
        loss: ``name`` of an entry point of the group ``gemma_st.losses``, and the arguments of that loss.
        trainer: Arguments of ``CrossEncoderTrainingArguments`` of sentence-transformers.
        teacher: Directory, packaged name or hub id of a cross-encoder whose scores replace the labels of the lists; for
            the losses ``distillation``, ``margin-mse`` and ``states``. For a loss of another package that takes a
            ``teacher``, a bi-encoder.
        dropout: Dropout rates during training; see [gemma_st.modeling.dropout.DropoutRates][].
        documents: Maximum number of documents in each list; the trainer's seed decides which are kept. None keeps all.
        lora: Size of the LoRA adapters; None trains all weights.
        freeze_embeddings: Whether token embeddings are not trained; ``"auto"``: if they outnumber the other weights.
        restrict_vocabulary: Whether to train with the tokens of the lists only; the trained model has all tokens again.
        evaluation: How to evaluate the model during training; None does not evaluate it.
        storage: Data type of the backbone's weights in the saved model; see [gemma_st.hub.saving.save][].
        exact: Prefixes of the names of weights that are saved in float32 whatever the storage.
        relative_rates: If true, the learning rate of each parameter is multiplied by the typical size of its values;
            see [gemma_st.training.arguments.relative_rates][].

    Examples:
        >>> stage = {"output": "trained", "lists": ["lists.jsonl"], "model": {"base": "decoder"}}
        >>> TrainingConfig(**stage, loss={"name": "softmax"}, trainer={"max_steps": 1}).storage
        'float32'
    """

    output: Path
    lists: list[Path]
    loss: dict[str, Any]
    trainer: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    dropout: DropoutRates = DropoutRates()
    documents: Annotated[int, Field(gt=0)] | None = None
    lora: AdapterConfig | None = None
    freeze_embeddings: Literal["auto"] | bool = "auto"
    restrict_vocabulary: bool = False
    evaluation: EvaluationConfig | None = None
    storage: Literal["float32", "bfloat16", "float8_e4m3fn"] = "float32"
    exact: list[str] = field(default_factory=list)
    relative_rates: bool = False

    def __post_init__(self) -> None:
        """Check what concerns several values."""
        if "base" not in self.model:
            raise ModelError("[model] has no base; give a directory, a packaged model or a hub id")
        if self.lora and self.restrict_vocabulary:
            raise ModelError("[lora] with restrict_vocabulary; remove it: the adapters belong to the whole backbone")
        if self.lora and self.storage != "float32":
            raise ModelError(f"[lora] with storage = {self.storage!r}; remove storage: adapters are saved in float32")


def read_config(path: str | Path, data: str | Path | None = None) -> TrainingConfig:
    """Read a training stage from a TOML file, whose keys are the fields of `TrainingConfig`.

    ``data`` is the directory that replaces ``{data}`` in the file. An error begins with the path of the file.

    Examples:
        >>> read_config("stage.toml").model
        {'base': 'decoder'}
    """
    return from_table(TrainingConfig, read_toml(path, data), f"{path}: ")


@contextmanager
def section(name: str) -> Iterator[None]:
    """Turn any exception of the libraries in the block into a `ModelError` of one line that names a table of the file.

    Examples:
        >>> with section("loss"):
        ...     raise ValueError("temperature = 0; expected a number above 0")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: [loss] temperature = 0; expected a number above 0
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # the libraries raise anything for wrong options: RuntimeError, ImportError, KeyError, …
        kind = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
        raise ModelError(f"[{name}] {kind}{next(iter(str(error).splitlines()), '')}") from error
