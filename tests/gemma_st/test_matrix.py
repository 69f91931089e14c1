"""Every family × attention implementation × pooler × head × padding side × dtype: built, proven, saved, loaded, equal.

Each case is a real small model with random weights. The proof of the mask is part of building and of loading.
"""

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from gemma_st import CrossEncoder
from gemma_st.build import cross_encoder
from gemma_st.saving import save
from tests.gemma_st.conftest import LICENSE

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
IDS = {"vocab_size": 1000, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
WINDOW = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
SOFTCAP = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": None, "query_pre_attn_scalar": 16}
FAMILIES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "gemma": ("Gemma", {}, ("eager", "sdpa")),
    "gemma2": ("Gemma2", {**WINDOW, **SOFTCAP}, ("eager",)),
    "gemma3": ("Gemma3Text", WINDOW, ("eager", "sdpa")),
    "embeddinggemma": ("Gemma3Text", {**WINDOW, "use_bidirectional_attention": True}, ("eager", "sdpa")),
    "t5gemma": ("T5Gemma", {**WINDOW, **SOFTCAP}, ("eager",)),
    "llama": ("Llama", {}, ("eager", "sdpa")),
    "qwen3": ("Qwen3", {**WINDOW, "use_sliding_window": True}, ("sdpa",)),
}
POOLERS: tuple[dict[str, Any], ...] = (
    {"name": "mean"},
    {"name": "first"},
    {"name": "last"},
    {"name": "first", "k": 4},
    {"name": "last", "k": 3},
    {"name": "query-probe", "heads": 4, "probes": 2},
    {"name": "kv-probe", "heads": 4, "probes": 8},
)
LABELS: dict[str, int | list[str]] = {"ranking": 1, "classification": ["no", "maybe", "yes"]}
CASES = [
    (family, implementation, *rest)
    for family, (_, _, implementations) in FAMILIES.items()
    for implementation in implementations
    for rest in product(POOLERS, LABELS, ("left", "right"), ("float32", "bfloat16"))
]
WORDS = LICENSE.read_text().split()
# Below and above the window, and longer than the model reads.
PAIRS = [("what is a license", " ".join(WORDS[start : start + size])) for start, size in enumerate((1, 4, 25, 300))]
# A random model of 32 dimensions; what bfloat16 leaves of a number is 3 decimal digits.
TOLERANCE = {"float32": 1e-5, "bfloat16": 3e-2}


def name(case: tuple[Any, ...]) -> str:
    """Return a readable id."""
    return "-".join("".join(map(str, part.values())) if isinstance(part, dict) else part for part in case)


@pytest.fixture(scope="module")
def decoders(tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A checkpoint a family, as its own class saves it."""
    root, folders = tmp_path_factory.mktemp("decoders"), {}
    for family, (architecture, options, _) in FAMILIES.items():
        folders[family] = root / family
        shutil.copytree(tiny_gemma, folders[family], ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
        config = getattr(transformers, f"{architecture}Config")
        torch.manual_seed(0)
        if family == "t5gemma":
            part = transformers.T5GemmaModuleConfig(**SHAPE, **HEADS, **IDS, **options)
            made = config(encoder=part, decoder=part, **IDS)
        else:
            made = config(**SHAPE, **HEADS, **IDS, **options)
        getattr(transformers, f"{architecture}Model")(made).save_pretrained(folders[family])
    yield folders
    shutil.rmtree(root)


def test_there_are_enough_cases() -> None:
    """The issue's number."""
    assert len(CASES) >= 300


@pytest.mark.parametrize("case", CASES, ids=name)
def test_is_the_same_model_however_it_is_used(
    decoders: dict[str, Path], tmp_path: Path, case: tuple[str, str, dict[str, Any], str, str, str]
) -> None:
    """Saved and loaded: to the bit. In another batch, order or padding: to what the dtype leaves."""
    family, implementation, pooler, head, side, dtype = case
    torch.manual_seed(1)
    model = cross_encoder(
        decoders[family],
        pooler=pooler,
        labels=LABELS[head],
        padding_side=side,
        dtype=dtype,
        attn_implementation=implementation,
    )
    assert model[0].model.config._attn_implementation == implementation
    assert model.tokenizer.padding_side == side
    scores = model.predict(PAIRS)
    assert scores.dtype == np.float32
    assert scores.shape == ((len(PAIRS),) if head == "ranking" else (len(PAIRS), 3))
    assert len({row.tobytes() for row in scores}) == len(PAIRS)

    given = {"dtype": dtype, "attn_implementation": implementation}
    again = CrossEncoder(str(save(model, tmp_path / "model")), device="cpu", model_kwargs=given)
    assert again.tokenizer.padding_side == side
    assert np.array_equal(again.predict(PAIRS), scores)

    for found in (again.predict(PAIRS, batch_size=1), again.predict(PAIRS[::-1], batch_size=3)[::-1]):
        assert np.abs(found - scores).max() <= TOLERANCE[dtype]
    again.tokenizer.padding_side = "left" if side == "right" else "right"
    assert np.abs(again.predict(PAIRS) - scores).max() <= TOLERANCE[dtype]
    shutil.rmtree(tmp_path)
