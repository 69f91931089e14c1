"""Saved LoRA adapters: recognise them, and merge them into the backbone."""

from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.base import Encoder


def merge(directory: str | Path, target: str | Path) -> Path:
    """Fold a trained adapter into its backbone, and save the model as stock modules that load anywhere.

    Args:
        directory: A model trained with ``[lora]``.
        target: New or empty.

    Raises:
        ModelError: The model has no adapter, its backbone is gone, the target exists, or a merged weight is no number.
    """
    from gemma_st.hub.saving import open_model, save

    target = Path(target).resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ModelError(f"{target}: exists already; expected a new or empty directory")
    if not is_adapter(directory):
        raise ModelError(f"{directory}: has no adapter_config.json; expected a model trained with [lora]")
    model = open_model(directory, device="cpu")
    fold(model)
    return save(model, target)


def is_adapter(directory: str | Path) -> bool:
    """Say whether a saved model is an adapter beside its backbone."""
    return (Path(directory) / "adapter_config.json").exists()


def fold(model: "Encoder") -> None:
    """Add each adapter to the weight it stands beside, and leave a plain backbone.

    Raises:
        ModelError: A merged weight is not finite.
    """
    from peft.tuners.lora import LoraLayer

    network = model[0].model
    adapted = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, LoraLayer)]
    for name, layer in adapted:
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise ModelError(f"{name}: not finite with its adapter; train at a lower rate, or in float32") from error
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, layer.get_base_layer())
    network._hf_peft_config_loaded = False
    network.__dict__.pop("_weight_conversions", None)  # would save the names of an adapter's base
    del network.peft_config
    network.requires_grad_(True)
