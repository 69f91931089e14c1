"""Make the loss that a stage's ``[loss]`` table asks for, and the rows that it reads."""

from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder


def loss_class(config: TrainingConfig) -> "type[nn.Module]":
    """Return the class of the loss that a stage asks for.

    Args:
        config: The stage.

    Raises:
        ModelError: No installed package has a loss of that name, or it needs a teacher and the stage has none.
    """
    from gemma_st.losses.registry import find_loss, loss_names, needs_teacher

    name = config.loss.get("name")
    if not isinstance(name, str):
        raise ModelError(f"[loss] name={name!r}; use one of {', '.join(loss_names())}")
    loss = find_loss(name)
    if needs_teacher(loss) and config.teacher is None:
        raise ModelError(f'[loss] name = "{name}" learns from a bi-encoder; set teacher')
    return loss


def make_loss(config: TrainingConfig, model: "CrossEncoder", teacher: "SentenceTransformer | None") -> "nn.Module":
    """Return a stage's loss over its model.

    Args:
        config: The stage.
        model: The model that is trained.
        teacher: The bi-encoder to learn from, for the losses that take one.
    """
    from gemma_st.losses.registry import needs_teacher

    loss, options = loss_class(config), {key: value for key, value in config.loss.items() if key != "name"}
    models: dict[str, Any] = {"model": model, **({"teacher": teacher} if needs_teacher(loss) else {})}
    return loss(**models, **options)


def training_rows(config: TrainingConfig, data: "Dataset") -> "Dataset":
    """Return the rows that a stage's loss reads: the lists, or triples made from them."""
    from gemma_st.losses.registry import reads_triples
    from gemma_st.training.lists import triples

    return triples(data) if reads_triples(loss_class(config)) else data
