"""A pretrained Gemma 3, in the directory that ``GEMMA_270M`` names, and a small random one for the same tests."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, Gemma3TextConfig, Gemma3TextModel, PreTrainedModel

from gemma_st import CrossEncoder
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import LICENSE, PAIRS, gemma_tokenizer

DIRECTORY = os.environ.get("GEMMA_270M", "")
REAL = pytest.param(
    "real", marks=[pytest.mark.slow, pytest.mark.skipif(not DIRECTORY, reason="GEMMA_270M names no directory")]
)
STRANGE = ("naïve 中文 🦆", "tabs\tand  two blanks,\n\nan empty line and ∑ <table>")
LONGER = [*PAIRS, STRANGE, ("a", LICENSE.read_text()[:300])]


@pytest.fixture(scope="session", params=["small", REAL])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the decoder."""
    if request.param == "real":
        return Path(DIRECTORY)
    folder = tmp_path_factory.mktemp("models") / "small-gemma-3"
    tokenizer = gemma_tokenizer()
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)
    kinds = ["sliding_attention", "sliding_attention", "full_attention"]
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "max_position_embeddings": 512}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    torch.manual_seed(0)
    config = Gemma3TextConfig(vocab_size=len(tokenizer), layer_types=kinds, sliding_window=16, **shape, **heads)
    Gemma3TextModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stock_decoder(base: Path) -> PreTrainedModel:
    """The decoder as transformers itself loads it: causal."""
    return AutoModel.from_pretrained(base, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def model(base: Path) -> CrossEncoder:
    """A cross-encoder built from the decoder; a test that changes it puts it back."""
    torch.manual_seed(0)
    return cross_encoder(base, max_length=256).eval()


@pytest.fixture(scope="session")
def saved(model: CrossEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of the saved model, removed at the end: it has a gigabyte."""
    folder = tmp_path_factory.mktemp("saved")
    yield save(model, folder / "model")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def loaded(saved: Path) -> CrossEncoder:
    """The saved model, loaded again."""
    return CrossEncoder(str(saved))


@pytest.fixture(scope="session")
def encode(model: CrossEncoder) -> Callable[..., dict[str, torch.Tensor]]:
    """Tokenize texts, padded on a side."""

    def encoded(texts: list[str], side: str) -> dict[str, torch.Tensor]:
        return model.tokenizer(texts, return_tensors="pt", padding=True, padding_side=side)

    return encoded
