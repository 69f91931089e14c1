"""A random checkpoint of each family, as its publisher would save it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from gemma_st.modeling.families import FAMILIES, OTHER
from tests.gemma_st.conftest import PAIRS

W = 6  # window in tokens; the texts of PAIRS are shorter and longer
WINDOW = {"sliding_window": W, "layer_types": ["sliding_attention", "full_attention"]}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
IDS = {"vocab_size": 1000, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
TEXT = {**SHAPE, **HEADS, **IDS}
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
HALF = {**TEXT, **WINDOW}

# name → configuration, class of the checkpoint, where the text encoder is in it
MODELS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "gemma": (lambda: transformers.GemmaConfig(**TEXT), "GemmaModel", ""),
    "gemma2": (lambda: transformers.Gemma2Config(**TEXT, **WINDOW), "Gemma2ForCausalLM", "model"),
    "gemma3_text": (lambda: transformers.Gemma3TextConfig(**TEXT, **WINDOW), "Gemma3ForCausalLM", "model"),
    "gemma3": (
        lambda: transformers.Gemma3Config(
            text_config={**TEXT, **WINDOW},
            vision_config={**VISION, "image_size": 28, "patch_size": 14},
            mm_tokens_per_image=4,
        ),
        "Gemma3ForConditionalGeneration",
        "model.language_model",
    ),
    "embeddinggemma": (
        lambda: transformers.Gemma3TextConfig(**TEXT, **WINDOW, use_bidirectional_attention=True),
        "Gemma3TextModel",
        "",
    ),
    "t5gemma": (
        lambda: transformers.T5GemmaConfig(encoder=dict(HALF), decoder=dict(HALF), vocab_size=1000),
        "T5GemmaForConditionalGeneration",
        "model.encoder",
    ),
    "llama": (lambda: transformers.LlamaConfig(**TEXT), "LlamaForCausalLM", "model"),
    "mistral": (lambda: transformers.MistralConfig(**TEXT, sliding_window=W), "MistralModel", ""),
    "qwen2": (
        lambda: transformers.Qwen2Config(**TEXT, **WINDOW, use_sliding_window=True),
        "Qwen2ForSequenceClassification",
        "model",
    ),
    "qwen3": (lambda: transformers.Qwen3Config(**TEXT), "Qwen3Model", ""),
}
IMPLEMENTED = [
    (name, implementation)
    for name in MODELS
    for implementation in ("eager", "sdpa")
    if implementation in FAMILIES.get(name, OTHER).implementations
]


def save_checkpoint(folder: Path, name: str, tokenizer: Path, kind: str | None = None) -> Path:
    """Save a random checkpoint of a family, as its publisher would, beside a tokenizer."""
    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
    config, usual, _ = MODELS[name]
    torch.manual_seed(0)
    getattr(transformers, kind or usual)(config()).save_pretrained(folder)
    return folder


@pytest.fixture
def checkpoint(tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """Save a random checkpoint of a family beside the tokenizer of ``tiny_gemma``."""

    def make(name: str, kind: str | None = None) -> Path:
        return save_checkpoint(tmp_path / f"{name}-{kind}", name, tiny_gemma, kind)

    return make


def own(folder: Path, name: str, **options: Any) -> torch.nn.Module:
    """Return transformers' own text encoder of a checkpoint."""
    _, kind, place = MODELS[name]
    network = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32, **options).eval()
    return network.get_submodule(place)


def states(network: torch.nn.Module, folder: Path) -> torch.Tensor:
    """Return the hidden states (tokens, width) of a right-padded batch, with texts below and above the window."""
    texts = ["work", *(document for _, document in PAIRS)]
    batch = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    lengths = batch["attention_mask"].sum(1)
    assert lengths.min() < W < lengths.max() - 2
    with torch.inference_mode():
        return network(**batch).last_hidden_state[batch["attention_mask"].bool()]
