"""LoRA adapters (Hu et al., ICLR 2022): train low-rank additions to the backbone's weights, and merge them later."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gemma_st.errors import ModelError
from gemma_st.files import atomic_directory
from gemma_st.hub.saving import is_adapter, new_directory, open_model, save
from gemma_st.settings import settings

if TYPE_CHECKING:
    from gemma_st.base import Encoder
    from gemma_st.cross_encoder import CrossEncoder

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BACKBONE_FOLDER = "base"  # below the model's directory: the backbone that the adapters belong to


@settings()
class AdapterConfig:
    """The size of the adapters: a linear layer ``W x`` becomes ``W x + alpha / rank · B A x``.

    Attributes:
        rank: Number of rows of A and of columns of B.
        alpha: Numerator of the factor of the adapters' output.
        dropout: Dropout rate of the adapters' input during training.
        targets: Suffixes of the names of the linear layers that get an adapter; by default the projections of
            attention and feed-forward network.

    Examples:
        >>> AdapterConfig(rank=8, targets=("q_proj", "v_proj")).alpha
        32
    """

    rank: Annotated[int, Field(gt=0)] = 16
    alpha: Annotated[int, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = PROJECTIONS


def add_adapter(model: "CrossEncoder", config: AdapterConfig, base: Path, *, write: bool = True) -> None:
    """Give a model's backbone adapters and freeze its other weights; pooler and head are still trained in full.

    The backbone is first saved to the folder ``base``, because a saved adapter does not contain the configuration that
    says that the mask is bidirectional. Only one of several processes may ``write``.

    Raises:
        ValueError: The backbone has no layer with the name of a target.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> model = CrossEncoder("reranker", device="cpu")
        >>> add_adapter(model, AdapterConfig(rank=2), Path("adapted/base"))
        >>> sum("lora" in name for name, weight in model.named_parameters() if weight.requires_grad)
        28
    """
    from peft import LoraConfig

    network: Any = model.transformers_model
    if write:
        with atomic_directory(base) as temporary:
            network.save_pretrained(temporary)
            shutil.rmtree(base, ignore_errors=True)
    network.add_adapter(
        LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.targets)
        )
    )
    network.peft_config[network.active_adapters()[0]].base_model_name_or_path = str(base.resolve())


def merge(directory: str | Path, target: str | Path) -> Path:
    """Merge the adapter of a model trained with ``[lora]``, and save a model of stock modules to a new directory.

    A weight that is not finite after merging raises `ModelError`.

    Examples:
        >>> from gemma_st import CrossEncoder
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
