"""The number types that a model can compute in; any other is refused before it gives wrong scores.

A model whose states are too large or too fine for half precision lists the types in config_sentence_transformers.json:
``"dtypes": ["float32"]``. A model without the key computes in every type, except that Gemma 3 overflows in float16.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from gemma_st.errors import ModelError
from gemma_st.modeling.families import OTHER, family

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

DTYPES = ("float32", "bfloat16", "float16")
DTYPES_FILE = "config_sentence_transformers.json"


def read_dtypes(value: object) -> list[str] | None:
    """Return the number types that a configuration lists; None if it has no such key.

    Examples:
        >>> read_dtypes(["float32"])
        ['float32']
    """
    if value is not None and not (isinstance(value, list) and value and all(name in DTYPES for name in value)):
        raise ModelError(f"{DTYPES_FILE}: dtypes = {value!r}; expected a list of {', '.join(DTYPES)}")
    return value


def refuse_precision(
    modules: "Sequence[nn.Module]", config: "PreTrainedConfig | None", *, dtypes: Sequence[str] | None, device: str
) -> None:
    """Refuse weights of a type that the model cannot compute in, and autocast to such a type on its device.

    Examples:
        >>> refuse_precision([torch.nn.Linear(1, 1).half()], None, dtypes=["float32"], device="cpu")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: weights in float16; this model computes in float32 only: ...
    """
    kind = family(config) if hasattr(config, "model_type") else OTHER
    if not dtypes and not kind.not_in:
        return
    for used, name in _in_use(modules, device):
        if name in kind.not_in:
            raise ModelError(f"{used} {name}; {kind.name} overflows in it: use float32 or bfloat16")
        if dtypes and name not in dtypes:
            only, cure = " or ".join(dtypes), f'load it with model_kwargs={{"dtype": "{dtypes[0]}"}}'
            raise ModelError(
                f"{used} {name}; this model computes in {only} only: {cure} and use it without autocast "
                f"(bf16 or fp16 of a trainer); dtypes in {DTYPES_FILE}"
            )


def _in_use(modules: "Sequence[nn.Module]", device: str) -> Iterator[tuple[str, str]]:
    """Yield the type of the first weight of each module, and that of autocast if it is on."""
    for module in modules:
        weight = next(module.parameters(), None)
        if weight is not None and weight.is_floating_point() and weight.itemsize > 1:
            yield "weights in", str(weight.dtype).removeprefix("torch.")
    if device != "meta" and torch.is_autocast_enabled(device):
        yield "autocast to", str(torch.get_autocast_dtype(device)).removeprefix("torch.")
