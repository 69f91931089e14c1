"""The losses that a stage's ``[loss] name`` can ask for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder


class Kind(NamedTuple):
    """Where a loss is, and what it asks for besides a model.

    Attributes:
        module: The module of its class.
        name: Its class.
        taught: Whether it learns from a bi-encoder.
        triples: Whether it reads (query, positive, negative, margin) in place of lists.
    """

    module: str
    name: str
    taught: bool = False
    triples: bool = False


LOSSES: dict[str, Kind] = {
    "softmax": Kind("gemma_st.losses.softmax", "SoftmaxLoss"),
    "poly1": Kind("gemma_st.losses.poly1", "Poly1SoftmaxLoss"),
    "pointwise": Kind("gemma_st.losses.pointwise", "PointwiseLoss"),
    "distillation": Kind("gemma_st.losses.distillation", "ScoreDistillationLoss"),
    "margin-mse": Kind("sentence_transformers.cross_encoder.losses", "MarginMSELoss", triples=True),
    "interaction": Kind("gemma_st.losses.interaction", "InteractionDistillationLoss", taught=True),
    "states": Kind("gemma_st.losses.states", "StateDistillationLoss", taught=True),
}


def loss_kind(config: TrainingConfig) -> Kind:
    """Return the kind of loss that a stage asks for.

    Raises:
        ModelError: There is none of that name, it lacks its teacher, or the stage's dropout would undo it.
    """
    name = config.loss.get("name")
    if name not in LOSSES:
        raise ModelError(f"[loss] name={name!r} is not known; use one of {', '.join(LOSSES)}")
    if LOSSES[name].taught and config.teacher is None:
        raise ModelError(f'[loss] name = "{name}" learns from a bi-encoder; set teacher')
    if name == "interaction" and config.dropout.attention:
        raise ModelError("[dropout] attention would hide the attention that the interaction loss teaches; set it to 0")
    return LOSSES[name]


def make_loss(config: TrainingConfig, model: "CrossEncoder", teacher: "SentenceTransformer | None") -> "nn.Module":
    """Return a stage's loss over its model.

    Args:
        config: The stage.
        model: What is trained.
        teacher: The bi-encoder to learn from, for the losses that do.
    """
    kind, options = loss_kind(config), {key: value for key, value in config.loss.items() if key != "name"}
    if config.loss["name"] == "states":
        from gemma_st.training.transplant import READINGS

        options.setdefault("readings", config.output / "student" / READINGS)
    models: list[Any] = [model, teacher] if kind.taught else [model]
    loss: nn.Module = getattr(import_module(kind.module), kind.name)(*models, **options)
    return loss


def training_rows(config: TrainingConfig, data: "Dataset") -> "Dataset":
    """Return the rows that a stage's loss reads: the lists, or triples of them."""
    from gemma_st.training.data import triples

    return triples(data) if loss_kind(config).triples else data
