"""The losses that a stage can name: entry points of the group ``gemma_st.losses``, of any installed package."""

import inspect
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig
from gemma_st.training.option_checks import check_call

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder

GROUP = "gemma_st.losses"


def loss_class(config: TrainingConfig) -> "type[nn.Module]":
    """Return the class of a stage's loss.

    Raises:
        ModelError: No installed package has a loss of that name, or the loss needs a teacher and the stage has none.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> loss_class(read_config("stage.toml")).__name__
        'SoftmaxLoss'
    """
    name, installed = config.loss.get("name"), entry_points(group=GROUP)
    names = sorted(installed.names)
    if name not in names:
        raise ModelError(f"[loss] name = {name!r} is not known; use one of {', '.join(names)}")
    loss: type[nn.Module] = installed[name].load()
    if needs_teacher(loss) and config.teacher is None:
        raise ModelError(f'[loss] name = "{name}" learns from a bi-encoder; set teacher')
    if getattr(loss, "learns_from_states", False) and config.teacher is None:
        raise ModelError(f'[loss] name = "{name}" learns from the states of a cross-encoder; set teacher')
    if config.teacher and not needs_teacher(loss) and not learns_from_scores(loss):
        raise ModelError(f'[loss] name = "{name}" learns from labels; remove teacher, or use distillation')
    return loss


def make_loss(
    config: TrainingConfig,
    model: "CrossEncoder",
    *,
    teacher: "SentenceTransformer | None" = None,
    teacher_width: int = 0,
) -> "nn.Module":
    """Return a stage's loss for its model; only a loss that takes a ``teacher`` receives the bi-encoder.

    A loss that learns from a cross-encoder's states receives their width.

    Raises:
        ModelError: As for `loss_class`.
        TypeError: The loss has no argument of the name of an option.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> from gemma_st.training.config import read_config
        >>> make_loss(read_config("stage.toml"), CrossEncoder("reranker")).mini_batch_size
        32
    """
    loss, options = loss_class(config), {key: value for key, value in config.loss.items() if key != "name"}
    check_call("loss", loss, options)
    taught: dict[str, object] = {"teacher": teacher} if needs_teacher(loss) else {}
    if getattr(loss, "learns_from_states", False):
        taught["teacher_width"] = teacher_width
    return loss(model=model, **taught, **options)


def needs_teacher(loss: "type[nn.Module]") -> bool:
    """Return whether the constructor of a loss takes a bi-encoder as ``teacher``.

    Examples:
        >>> from gemma_st import SoftmaxLoss
        >>> needs_teacher(SoftmaxLoss)
        False
    """
    return "teacher" in inspect.signature(loss).parameters


def learns_from_scores(loss: "type[nn.Module]") -> bool:
    """Return whether a loss learns from the scores of a cross-encoder: its labels, if the stage has no teacher.

    Examples:
        >>> from gemma_st.losses.margin_mse import MarginMSELoss
        >>> learns_from_scores(MarginMSELoss)
        True
    """
    return bool(getattr(loss, "learns_from_scores", False))


def is_labelled(config: TrainingConfig) -> bool:
    """Return whether the labels of a stage are those of its lists, and not the scores of its teacher.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> is_labelled(read_config("stage.toml"))
        True
    """
    return config.teacher is None or not learns_from_scores(loss_class(config))


def reads_triples(loss: "type[nn.Module]") -> bool:
    """Return whether a loss reads triples (query, positive, negative) with a margin instead of lists.

    Examples:
        >>> from gemma_st.losses.margin_mse import MarginMSELoss
        >>> reads_triples(MarginMSELoss)
        True
    """
    return bool(getattr(loss, "reads_triples", False))
