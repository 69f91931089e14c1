"""Find a loss by its name: losses are entry points of the group ``gemma_st.losses``, of any installed package."""

import inspect
from importlib.metadata import entry_points

from torch import nn

from gemma_st.errors import ModelError

GROUP = "gemma_st.losses"


def loss_names() -> list[str]:
    """Return the names of all installed losses, sorted.

    Example:
        >>> loss_names()
        ['distillation', 'margin-mse', 'pointwise', 'poly1', 'softmax']
    """
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find_loss(name: str) -> type[nn.Module]:
    """Return the class of a loss, given the name of its entry point.

    Raises:
        ModelError: No installed package has a loss of that name.

    Example:
        >>> find_loss("softmax")
        <class 'gemma_st.losses.softmax.SoftmaxLoss'>
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise ModelError(f"loss {name!r} is not known; use one of {', '.join(loss_names())}")
    loss: type[nn.Module] = next(iter(found)).load()
    return loss


def needs_teacher(loss: type[nn.Module]) -> bool:
    """Return whether the constructor of a loss takes a bi-encoder as ``teacher``.

    Example:
        >>> needs_teacher(find_loss("softmax"))
        False
    """
    return "teacher" in inspect.signature(loss).parameters


def reads_triples(loss: type[nn.Module]) -> bool:
    """Return whether a loss reads triples (query, positive, negative) with a margin instead of lists.

    Example:
        >>> reads_triples(find_loss("margin-mse"))
        True
    """
    return bool(getattr(loss, "reads_triples", False))
