"""Training a model in shards (FSDP2): what sentence-transformers' trainer lacks to save and resume one."""

import os
from copy import deepcopy
from typing import Any

import torch
from sentence_transformers.cross_encoder import CrossEncoderTrainer
from torch import Tensor, nn
from transformers import Trainer

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.losses.registry import needs_teacher
from gemma_st.training.config import TrainingConfig
from gemma_st.training.losses import loss_class

FILE = "examples/accelerate/fsdp.yaml"
# What accelerate launch makes of the file. Not FSDP1, whose shards are flat; a whole state, to write stock files of;
# all weights in every process, to prove the model by; and a size does not say what may be a shard, a layer does.
SETTINGS = {
    **{"FSDP_VERSION": "2", "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"},
    **{"FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP", "FSDP_CPU_RAM_EFFICIENT_LOADING": "false"},
    **{"FSDP_OFFLOAD_PARAMS": "false", "FSDP_ACTIVATION_CHECKPOINTING": "false"},
}


def in_shards(config: TrainingConfig) -> bool:
    """Say whether accelerate launch was told to shard the model of a stage.

    Raises:
        ModelError: The stage or the file that accelerate was given asks for what cannot be done in shards.
    """
    if config.trainer.get("fsdp"):
        raise ModelError(f"[trainer] fsdp: expected it to be left to accelerate launch --config_file {FILE}")
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return False
    for name, wanted in SETTINGS.items():
        if os.environ.get(name) != wanted:
            raise ModelError(f"{name.lower()}: {os.environ.get(name)} for accelerate; expected {wanted}, as in {FILE}")
    if needs_teacher(loss_class(config)):
        raise ModelError(
            f"[loss] name = {config.loss['name']!r} reads the layers of a whole model, which has none in shards; "
            "use examples/accelerate/ddp.yaml"
        )
    return True


class ShardedTrainer(CrossEncoderTrainer):
    """The stock trainer for a model whose layers accelerate shards; its checkpoints are whole models all the same.

    Args:
        model: What is trained.
        **options: As for the stock trainer.

    Raises:
        ModelError: accelerate does not shard here.
    """

    def __init__(self, model: CrossEncoder, **options: Any) -> None:
        """Keep an outline of the model, to save it by: classes and modules change with the shards."""
        self.plain = _outline(model)
        super().__init__(model=model, **options)
        if not self.is_fsdp_enabled:
            raise ModelError(f"{FILE}: accelerate shards over several GPUs only; use examples/accelerate/ddp.yaml")
        layers = set(model[0].model._no_split_modules) & {type(module).__name__ for module in model.modules()}
        self.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = sorted(layers)
        model.base_model_prefix = "0"  # or accelerate takes the head's LayerNorm for the backbone's last, and fails

    def whole(self) -> CrossEncoder:
        """Return the model in one piece, in memory and in the first process only; every process has to ask."""
        self._fill(self.accelerator.get_state_dict(self.model))
        return self.plain

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write what the stock trainer writes of a model that is not in shards."""
        if self.is_world_process_zero():
            self._fill(state_dict or {})
            self.plain.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Load as transformers does, not as sentence-transformers does, which knows no shards."""
        Trainer._load_from_checkpoint(self, resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        Trainer._load_best_model(self)

    def _fill(self, state: dict[str, Tensor]) -> None:
        if self.is_world_process_zero():
            padded = {name for name, tensor in state.items() if tensor.untyped_storage().nbytes() > tensor.nbytes}
            own = {name: tensor.clone() if name in padded else tensor for name, tensor in state.items()}
            self.plain.load_state_dict(own, assign=True)


def _outline(model: CrossEncoder) -> CrossEncoder:
    """Copy a model but for its weights."""
    memo = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return deepcopy(model, memo)
