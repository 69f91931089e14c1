"""Training a model in shards (FSDP2): saving and resuming, which the sentence-transformers trainer does not support."""

import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.training.checked_trainer import CheckedTrainer
from gemma_st.training.config import TrainingConfig
from gemma_st.training.losses import loss_class, needs_teacher

if TYPE_CHECKING:
    from datasets import Dataset

FSDP_FILE = "examples/accelerate/fsdp.yaml"
DDP_FILE = "examples/accelerate/ddp.yaml"
REQUIRED_ENVIRONMENT = {  # accelerate launch sets these variables from the file
    "FSDP_VERSION": "2",  # FSDP1 flattens the weights
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",  # checkpoints are whole models
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",  # each layer is sharded as one unit
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",  # every process loads the weights, to verify the mask
    "FSDP_OFFLOAD_PARAMS": "false",
    "FSDP_ACTIVATION_CHECKPOINTING": "false",
}


def in_shards(config: TrainingConfig) -> bool:
    """Return whether accelerate launch asks this process to train the model in shards.

    Raises:
        ModelError: An option of the stage or of accelerate's configuration file does not work with shards.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> in_shards(read_config("stage.toml"))  # not started by accelerate launch
        False
    """
    if config.trainer.get("fsdp"):
        raise ModelError(f"[trainer] fsdp: remove it, and run accelerate launch --config_file {FSDP_FILE}")
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true":
        return False
    for name, expected in REQUIRED_ENVIRONMENT.items():
        if os.environ.get(name) != expected:
            seen = os.environ.get(name)
            raise ModelError(f"{name.lower()}: {seen} for accelerate; expected {expected}, as in {FSDP_FILE}")
    loss = loss_class(config)
    if needs_teacher(loss) or getattr(loss, "learns_from_states", False):
        raise ModelError(
            f"[loss] name = {config.loss['name']!r} takes a teacher and reads the layers of a whole model, which a "
            f"process does not have in shards; use {DDP_FILE}"
        )
    return True


class ShardedTrainer(CheckedTrainer):
    """The sentence-transformers trainer for a model whose layers accelerate shards; its checkpoints are whole models.

    The arguments are those of ``CrossEncoderTrainer``.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> arguments = CrossEncoderTrainingArguments(use_cpu=True, report_to="none")
        >>> ShardedTrainer(model=CrossEncoder("reranker", device="cpu"), args=arguments)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: examples/accelerate/fsdp.yaml: accelerate shards a model over several GPUs only; ...
    """

    def __init__(
        self,
        *,
        model: CrossEncoder,
        args: CrossEncoderTrainingArguments,
        train_dataset: "Dataset | None" = None,
        loss: nn.Module | None = None,
        evaluator: BaseEvaluator | None = None,
        callbacks: list[TrainerCallback] | None = None,
    ) -> None:
        """Keep a copy of the model without weights to save it from; sharding replaces classes and modules."""
        self.unsharded = _copy_without_weights(model)
        super().__init__(
            model=model, args=args, train_dataset=train_dataset, loss=loss, evaluator=evaluator, callbacks=callbacks
        )
        if not self.is_fsdp_enabled:
            raise ModelError(f"{FSDP_FILE}: accelerate shards a model over several GPUs only; use {DDP_FILE}")
        classes = {type(module).__name__ for module in model.modules()}
        network: Any = model.transformers_model
        layers = set(network._no_split_modules) & classes
        self.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = sorted(layers)
        # Without this accelerate takes the head's LayerNorm for the backbone's last norm, and fails.
        model.base_model_prefix = "0"

    def whole(self) -> CrossEncoder:
        """Return the whole model, in memory, in the first process only; all processes must call this method."""
        self._fill(self.accelerator.get_state_dict(self.model))
        return self.unsharded

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write the files that the stock trainer writes for a model that is not in shards."""
        if self.is_world_process_zero():
            self._fill(state_dict or {})
            self.unsharded.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Load with the method of transformers; the method of sentence-transformers does not support shards."""
        Trainer._load_from_checkpoint(self, resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        Trainer._load_best_model(self)

    def _fill(self, state: dict[str, Tensor]) -> None:
        """Put the weights into the model without weights; a tensor with a padded storage is copied."""
        if self.is_world_process_zero():
            padded = {name for name, tensor in state.items() if tensor.untyped_storage().nbytes() > tensor.nbytes}
            own = {name: tensor.clone() if name in padded else tensor for name, tensor in state.items()}
            self.unsharded.load_state_dict(own, assign=True)


def _copy_without_weights(model: CrossEncoder) -> CrossEncoder:
    memo = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return deepcopy(model, memo)
