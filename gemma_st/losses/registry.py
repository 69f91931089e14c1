"""Find a loss by the name that a stage's ``[loss]`` table gives.

A loss is an entry point of the group ``gemma_st.losses``, so that any installed package can add one.
"""

import inspect
from importlib.metadata import entry_points

from torch import nn

from gemma_st.errors import ModelError

GROUP = "gemma_st.losses"


def loss_names() -> list[str]:
    """Return the names of all losses that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find_loss(name: str) -> type[nn.Module]:
    """Return the class of a loss.

    Args:
        name: The name of its entry point.

    Raises:
        ModelError: No installed package has a loss of that name.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise ModelError(f"loss {name!r} is not known; use one of {', '.join(loss_names())}")
    loss: type[nn.Module] = next(iter(found)).load()
    return loss


def needs_teacher(loss: type[nn.Module]) -> bool:
    """Return whether a loss takes a ``teacher``, a bi-encoder, beside the model."""
    return "teacher" in inspect.signature(loss).parameters


def reads_triples(loss: type[nn.Module]) -> bool:
    """Return whether a loss reads rows (query, positive, negative, margin) in place of lists."""
    return bool(getattr(loss, "reads_triples", False))
