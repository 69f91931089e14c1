"""Saved LoRA adapters: recognise them, and merge them into the backbone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.hub.saving import new_directory, open_model, save

if TYPE_CHECKING:
    from gemma_st.base import Encoder


def merge(directory: str | Path, target: str | Path) -> Path:
    """Merge the adapter of a model trained with ``[lora]``, and save a model of stock modules to a new directory.

    A weight that is not finite after merging raises `ModelError`.

    Example:
        >>> from gemma_st import CrossEncoder
        >>> from gemma_st.training.lora import AdapterConfig, add_adapter
        >>> add_adapter(model := CrossEncoder("reranker"), AdapterConfig(rank=2), Path("lora/base"))
        >>> merge(save(model, "lora"), "merged").name
        'merged'
    """
    target = new_directory(target)
    if not is_adapter(directory):
        raise ModelError(f"{directory}: has no adapter_config.json; expected a model trained with [lora]")
    model = open_model(directory, device="cpu")
    _merge_adapters(model)
    return save(model, target)


def is_adapter(directory: str | Path) -> bool:
    """Return whether a saved model has a LoRA adapter that is not merged into its backbone.

    Example:
        >>> is_adapter("reranker")
        False
    """
    return (Path(directory) / "adapter_config.json").exists()


def _merge_adapters(model: "Encoder") -> None:
    """Add each adapter to its weight in place, ``W ← W + alpha / rank · B A``, and leave a plain backbone."""
    from peft.tuners.lora import LoraLayer

    network: Any = model.transformers_model
    adapted = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, LoraLayer)]
    for name, layer in adapted:
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise ModelError(f"{name}: not finite with its adapter; lower the learning rate, or use float32") from error
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, layer.get_base_layer())
    network._hf_peft_config_loaded = False
    network.__dict__.pop("_weight_conversions", None)  # would rename the weights to those of an adapter's backbone
    del network.peft_config
    network.requires_grad_(True)
