"""Small cross-encoders in training mode, their scores, gradients and attributes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from torch import Tensor, nn
from transformers import BatchEncoding

WINDOW = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
BACKBONES = [
    ("GemmaModel", "eager", {}),
    ("GemmaModel", "sdpa", {}),
    ("Gemma2Model", "eager", WINDOW),  # its soft cap keeps it from sdpa
    ("Gemma3TextModel", "eager", WINDOW),
    ("Gemma3TextModel", "sdpa", WINDOW),
]
PARTS = ["attention", "attention_output", "feed_forward", "pooler", "head"]
IN_LAYERS = PARTS[:3]
Make = Callable[..., CrossEncoder]


def head() -> list[nn.Module]:
    """Return normalise → Dense → activation → Dense."""
    return [
        LayerNorm(32),
        Dense(32, 32, activation_function=nn.GELU()),
        Dense(32, 1, activation_function=nn.Identity(), module_output_name="scores"),
    ]


@pytest.fixture
def make(decoder: Callable[..., Path]) -> Make:
    """Return a function that makes small cross-encoders in training mode, with random weights."""

    def build(family: str = "GemmaModel", implementation: str = "sdpa", **options: object) -> CrossEncoder:
        folder = decoder(family, **options)
        body = Transformer(
            str(folder),
            transformer_task="feature-extraction",
            model_kwargs={"attn_implementation": implementation, "dtype": "float32"},
        )
        body.model.config.is_causal = False
        torch.manual_seed(0)
        modules = [body, Pooling(32, "mean"), *head()]
        return CrossEncoder(modules=modules, activation_fn=nn.Identity(), device="cpu").train()

    return build


def scores(model: nn.Module, seed: int = 0) -> Tensor:
    """Return the scores of a padded batch: a short text and a long one."""
    tokens = torch.arange(10, 50).view(2, 20)
    mask = torch.ones_like(tokens)
    mask[0, 12:] = 0
    torch.manual_seed(seed)
    # What a tokenizer returns, and no dict.
    made: Tensor = model(BatchEncoding({"input_ids": tokens, "attention_mask": mask}))["scores"]
    return made


def gradients(model: nn.Module, **options: bool) -> list[Tensor]:
    """Return the gradients of a pass, with gradient checkpointing if options for it are given."""
    if options:
        model.gradient_checkpointing_enable(options)
    model.zero_grad()
    scores(model).square().sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def traces(model: nn.Module) -> tuple[object, ...]:
    """Return everything that the context could leave changed."""
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    attributes = [{k: v for k, v in vars(module).items() if not k.startswith("_")} for module in model.modules()]
    config = model[0].model.config
    return hooks, repr(attributes), config.to_dict(), list(model.state_dict())
