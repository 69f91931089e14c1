"""Make the loss that a stage's ``[loss]`` table names."""

from typing import TYPE_CHECKING

from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder


def loss_class(config: TrainingConfig) -> "type[nn.Module]":
    """Return the class of a stage's loss.

    Args:
        config: The stage.

    Raises:
        ModelError: No installed package has a loss of that name, or the loss needs a teacher and the stage has none.

    Example:
        >>> from gemma_st.training.config import read_config
        >>> loss_class(read_config("stage.toml")).__name__
        'SoftmaxLoss'
    """
    from gemma_st.losses.registry import find_loss, loss_names, needs_teacher

    name = config.loss.get("name")
    if not isinstance(name, str):
        raise ModelError(f"[loss] name = {name!r}; use one of {', '.join(loss_names())}")
    try:
        loss = find_loss(name)
    except ModelError as error:
        raise ModelError(f"[loss] {error}") from error
    if needs_teacher(loss) and config.teacher is None:
        raise ModelError(f'[loss] name = "{name}" learns from a bi-encoder; set teacher')
    return loss


def make_loss(
    config: TrainingConfig, model: "CrossEncoder", *, teacher: "SentenceTransformer | None" = None
) -> "nn.Module":
    """Return a stage's loss for its model.

    Args:
        config: The stage.
        model: The model to train.
        teacher: The bi-encoder to learn from, for a loss that takes a ``teacher``.

    Raises:
        ModelError: As for `loss_class`.
        TypeError: The loss has no argument of the name of an option.

    Example:
        >>> from gemma_st import CrossEncoder
        >>> from gemma_st.training.config import read_config
        >>> loss = make_loss(read_config("stage.toml"), CrossEncoder("reranker"))
        >>> loss.mini_batch_size
        32
    """
    from gemma_st.losses.registry import needs_teacher

    loss, options = loss_class(config), {key: value for key, value in config.loss.items() if key != "name"}
    taught = {"teacher": teacher} if needs_teacher(loss) else {}
    return loss(model=model, **taught, **options)
