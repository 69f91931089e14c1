"""Adapters in place of the backbone's weights (LoRA, Hu et al., ICLR 2022)."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BASE = "base"  # the folder of the backbone that the adapter is for, below the model's


@dataclass(frozen=True)
class AdapterConfig:
    """How large the adapters are: ``W x`` becomes ``W x + alpha / rank · B A x``.

    Attributes:
        rank: Rows of A and columns of B.
        alpha: Weight of what they add.
        dropout: Share of the adapters' inputs dropped while training.
        targets: The ends of the names of the linear layers that get one: attention and feed-forward by default.

    Raises:
        ModelError: A number is out of range, or there is no target.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = PROJECTIONS

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("rank", "alpha"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ModelError(f"{name} = {getattr(self, name)!r}; expected a whole number above 0")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout = {self.dropout!r}; expected 0 ≤ rate < 1")
        if isinstance(self.targets, str) or not self.targets:
            raise ModelError(f"targets = {self.targets!r}; expected a list of names such as q_proj")


def add_adapter(model: "CrossEncoder", config: AdapterConfig, base: Path, *, write: bool = True) -> None:
    """Give a model's backbone adapters, the only weights of it that are trained; pooler and head are trained in full.

    The backbone is saved first, its bidirectional mask in its configuration: an adapter alone does not say it.

    Args:
        model: The model.
        config: The size of the adapters.
        base: The folder to save the backbone in.
        write: Whether this process is the one that saves it.

    Raises:
        ValueError: The backbone has no such targets.
    """
    from peft import LoraConfig

    network = model[0].model
    if write:
        base.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base.parent, prefix=f".{base.name}.") as folder:
            network.save_pretrained(Path(folder, base.name))
            shutil.rmtree(base, ignore_errors=True)
            Path(folder, base.name).rename(base)
    network.add_adapter(
        LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.targets)
        )
    )
    network.peft_config[network.active_adapters()[0]].base_model_name_or_path = str(base.resolve())
