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

from gemma_st import CrossEncoder
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import LICENSE
from tests.gemma_st.modeling.families.conftest import IMPLEMENTED, save_checkpoint

# Every family; both implementations where they can differ in their masks.
FAMILIES = [pair for pair in IMPLEMENTED if pair[0] in ("gemma", "gemma2", "gemma3_text", "embeddinggemma", "t5gemma")]
FAMILIES += [("gemma3", "sdpa"), ("llama", "sdpa"), ("qwen3", "sdpa")]
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
    (*family, *rest) for family, *rest in product(FAMILIES, POOLERS, LABELS, ("left", "right"), ("float32", "bfloat16"))
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
    """One checkpoint per family."""
    root = tmp_path_factory.mktemp("decoders")
    yield {name: save_checkpoint(root / name, name, tiny_gemma) for name in {family for family, _ in FAMILIES}}
    shutil.rmtree(root)


def test_there_are_enough_cases() -> None:
    """The issue asked for at least 300."""
    assert len(CASES) >= 300


@pytest.mark.parametrize("case", CASES, ids=name)
def test_is_the_same_model_however_it_is_used(
    decoders: dict[str, Path], tmp_path: Path, case: tuple[str, str, dict[str, Any], str, str, str]
) -> None:
    """Scores are equal after saving and loading, and close (within the dtype) in another batch, order or padding."""
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
