"""Settings of fine-tuning on GLUE tasks, and the key that a result is kept under."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from gemma_st.errors import ModelError
from gemma_st.files import digest
from gemma_st.glue.datasets import Data
from gemma_st.glue.tasks import Task
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.names import locate
from gemma_st.settings import from_table, settings

MODEL_FILES = ("*.safetensors", "*.json")  # weights, configuration and tokenizer
KEY_LENGTH = 12  # hex digits
OWN_POOLER = "own"


def _dropout_rates(value: object) -> object:
    """Return the rates of a table, or of a number, which is the rate of every place."""
    if isinstance(value, DropoutRates):
        return value
    places = [place.name for place in fields(DropoutRates)]
    table = value if isinstance(value, Mapping) else dict.fromkeys(places, value)
    if unknown := set(table) - set(places):
        raise ModelError(f"unknown {unknown.pop()}; give one rate, or a table with {', '.join(places)}")
    return from_table(DropoutRates, table)


@settings()
class GlueConfig:
    """Settings that all tasks and seeds of a benchmark share.

    Attributes:
        base: Gemma checkpoint, packaged model or hub id. The backbone of a cross-encoder is used.
        pooler: Pooler, as in [gemma_st.build.cross_encoder][]. ``"own"`` keeps pooler and head of a base that is a
            cross-encoder, and replaces its last layer only.
        head: ``"mlp"`` or ``"linear"``; see [gemma_st.modeling.heads.make_head][].
        attention: ``"bidirectional"`` or ``"causal"``.
        padding_side: Side on which short sequences are padded.
        max_length: Longest input in tokens.
        dropout: Dropout rates; a single number is the rate of every place. See [gemma_st.modeling.dropout][].
        learning_rate: Peak learning rate of AdamW; linear warmup over a tenth of the steps, then linear decay to 0.
        relative_rates: Whether the learning rate of each parameter is multiplied by the parameter's typical size.
        freeze: Substrings of the names of parameters that are not trained, such as ``embed_tokens`` or ``layers.0.``.
        freeze_embeddings: Whether token embeddings are not trained; ``"auto"``: if they outnumber the other weights.
        restrict_vocabulary: Whether to train with the tokens of the training set only; the model has all tokens again.
        probe: Whether to fit the last layer before all layers are trained; see [gemma_st.glue.probe][].
        epochs: Number of passes over the training set; 0 only with ``probe``, to train nothing but the last layer.
        batch_size: Number of examples per step.
        bf16: Whether to compute in bfloat16. Weights, scores and losses stay in float32.
        train_examples: Number of training examples; None uses all.

    Examples:
        >>> GlueConfig(base="decoder", epochs=0)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: epochs = 0; expected a number above 0, or probe = true
    """

    base: str
    pooler: str | dict[str, Any] = "mean"
    head: Literal["mlp", "linear"] = "mlp"
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    padding_side: Literal["left", "right"] = "right"
    max_length: PositiveInt = 128
    dropout: Annotated[DropoutRates, BeforeValidator(_dropout_rates)] = DropoutRates()
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-5
    relative_rates: bool = False
    freeze: tuple[str, ...] = ()
    freeze_embeddings: Literal["auto"] | bool = "auto"
    restrict_vocabulary: bool = False
    probe: bool = False
    epochs: NonNegativeInt = 3
    batch_size: PositiveInt = 32
    bf16: bool = False
    train_examples: PositiveInt | None = None

    def __post_init__(self) -> None:
        """Refuse a configuration that trains nothing."""
        if not self.epochs and not self.probe:
            raise ModelError("epochs = 0; expected a number above 0, or probe = true")

    def key(self, task: Task, data: Data) -> str:
        """Return 12 hex digits of a SHA-256 of settings, model files, task and data, without the seed."""
        table = asdict(self) | {"base": model_digest(locate(self.base))}
        parts = json.dumps([table, asdict(task), data.digest], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:KEY_LENGTH]


def model_digest(base: str) -> str:
    """Return a SHA-256 of the weights, configuration and tokenizer in a directory; a hub id is returned unchanged.

    Examples:
        >>> len(model_digest("decoder")), model_digest("google/gemma-3-270m")
        (64, 'google/gemma-3-270m')
    """
    if not Path(base).is_dir():
        return base
    hashed = hashlib.sha256()
    for path in sorted({path for pattern in MODEL_FILES for path in Path(base).glob(pattern)}):
        hashed.update(f"{path.name} {digest(path)}".encode())
    return hashed.hexdigest()
