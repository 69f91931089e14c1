"""Training a model in shards (FSDP2), which sentence-transformers' trainer can neither save nor resume."""

import os
from copy import deepcopy
from typing import Any

import torch
from sentence_transformers.cross_encoder import CrossEncoderTrainer
from torch import Tensor, nn
from transformers import Trainer

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig
from gemma_st.training.losses import loss_kind


class ShardedTrainer(CrossEncoderTrainer):
    def __init__(self, model: CrossEncoder, **options: Any) -> None:
        self.plain = _outline(model)
        super().__init__(model=model, **options)
        model.base_model_prefix = "0"  # or accelerate takes the head's LayerNorm for the network's last
        plugin = self.accelerator.state.fsdp_plugin
        layers = set(model[0].model._no_split_modules) & {type(module).__name__ for module in model.modules()}
        plugin.transformer_cls_names_to_wrap = sorted(layers)

    def whole(self) -> CrossEncoder:
        self._fill(self.accelerator.get_state_dict(self.model))
        return self.plain

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        self._fill(state_dict or {})
        if self.is_world_process_zero():
            self.plain.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)

    def _fill(self, state):
        if self.is_world_process_zero():
            for name, tensor in state.items():
                if tensor.untyped_storage().nbytes() > tensor.nbytes:  # gathered with padding, which safetensors refuses
                    state[name] = tensor.clone()
            self.plain.load_state_dict(state, assign=True)

    _load_from_checkpoint = Trainer._load_from_checkpoint
    _load_best_model = Trainer._load_best_model


def _outline(model: CrossEncoder) -> CrossEncoder:
    """Copy a model but for its weights."""
    memo = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return deepcopy(model, memo)
