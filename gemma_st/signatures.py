"""The types of the stock cross-encoder's arguments, and its old names of them."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from sentence_transformers.util.decorators import cross_encoder_init_args_decorator

Activation = Callable[[torch.Tensor], torch.Tensor]
Device = str | list[str | torch.device]
Pool = dict[Literal["input", "output", "processes"], Any]
Method = TypeVar("Method", bound=Callable[..., object])
old_names: Callable[[Method], Method] = cross_encoder_init_args_decorator


def typed_as(stock: Method) -> Callable[[Callable[..., object]], Method]:
    """Give a method the type of the stock method that it overrides, for a type checker: all of its overloads.

    Examples:
        >>> typed_as(sorted)(list.sort) is list.sort
        True
    """
    return lambda method: cast(Method, method)
