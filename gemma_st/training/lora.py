"""LoRA adapters (Hu et al., ICLR 2022): train low-rank additions to the backbone's weights in place of the weights."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gemma_st.files import atomic_directory
from gemma_st.settings import settings

if TYPE_CHECKING:
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

    Example:
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

    Example:
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
