"""How a model is fine-tuned on a task."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gemma_st.errors import ModelError
from gemma_st.files import digest
from gemma_st.glue.datasets import Data
from gemma_st.glue.tasks import Task
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.names import locate

WEIGHTS = ("*.safetensors", "*.json")  # of a base, and its tokenizer
KEY = 12  # hex digits
OWN = "own"


@dataclass(frozen=True)
class GlueConfig:
    """What is the same for every task and seed.

    Attributes:
        base: A Gemma checkpoint, a packaged model or a hub id; of a whole cross-encoder the backbone.
        pooler: As for [gemma_st.build.cross_encoder][]; or ``"own"``, to keep pooler and head of a base that is a whole
            cross-encoder, all but the last layer.
        head: ``"mlp"`` or ``"linear"``; see [gemma_st.modeling.heads.make_head][].
        attention: ``"bidirectional"`` or ``"causal"``.
        padding_side: Where short rows are filled.
        max_length: Longest input in tokens.
        dropout: Shares of values dropped; see [gemma_st.modeling.dropout][].
        learning_rate: Of AdamW, at its highest: it rises over a tenth of the steps and falls to 0.
        relative_rates: Whether the learning rate is a share of each weight's own typical size.
        freeze: Parts of the names of weights that stay as they are, such as ``embed_tokens`` and ``layers.0.``.
        probe: Whether to fit the last layer alone before; see [gemma_st.glue.probe][].
        epochs: Passes over the training set; with ``probe``, 0 stops behind it.
        batch_size: Examples a step.
        bf16: Whether to compute in bfloat16; weights, scores and losses stay in float32.
        train_examples: How many examples to learn from; all if not given.

    Raises:
        ModelError: A value is out of range.
    """

    base: str
    pooler: str | Mapping[str, Any] = "mean"
    head: Literal["mlp", "linear"] = "mlp"
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    padding_side: Literal["left", "right"] = "right"
    max_length: int = 128
    dropout: DropoutRates = DropoutRates()
    learning_rate: float = 2e-5
    relative_rates: bool = False
    freeze: tuple[str, ...] = ()
    probe: bool = False
    epochs: int = 3
    batch_size: int = 32
    bf16: bool = False
    train_examples: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers that nobody else checks."""
        for name in ("max_length", "learning_rate", "epochs", "batch_size", "train_examples"):
            value = getattr(self, name)
            if value is not None and not value > 0 and not (name == "epochs" and value == 0 and self.probe):
                raise ModelError(f"{name}={value}; expected a number above 0")

    def key(self, task: Task, data: Data) -> str:
        """Return 12 hex digits of SHA-256 of all that decides what is learned, but the seed.

        Args:
            task: The task.
            data: Its examples.
        """
        said = asdict(self) | {"base": content(locate(self.base))}
        parts = json.dumps([said, asdict(task), data.digest], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:KEY]


def content(base: str) -> str:
    """Return a digest of a local model's weights and tokenizer, or a hub id.

    Args:
        base: As [gemma_st.names.locate][] returns it.
    """
    if not Path(base).is_dir():
        return base
    hashed = hashlib.sha256()
    for path in sorted({path for pattern in WEIGHTS for path in Path(base).glob(pattern)}):
        hashed.update(f"{path.name} {digest(path)}".encode())
    return hashed.hexdigest()
