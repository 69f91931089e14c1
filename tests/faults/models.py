"""Broken model directories: each loads with the same scores, or is refused in one line that names the file."""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.faults.small_models import write_decoder, write_reranker

PAIRS = [("what is gold", "Gold is a metal."), ("do goldfish grow", "Goldfish grow as long as they live.")]


def tries(root: Path, thin: int) -> Iterator[tuple[str, str]]:
    """Load one in ``thin`` of the damaged copies of a small cross-encoder, and score with it."""
    from tests.faults.model_directories import damages, outcome

    (root / "models").mkdir()
    (root / "copies").mkdir()
    model = write_reranker(write_decoder(root / "models"))
    expected = scores(model)
    for damage in islice(damages(model), thin // 2, None, thin):
        copy = shutil.copytree(model, root / "copies/model")
        damage.apply(copy)
        yield str(damage), outcome(scores, copy, expected, damage)
        for path in (root / "copies").iterdir():  # a damage may write a file beside the model
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def scores(model: Path) -> NDArray[np.float32]:
    """Return the scores of a saved model."""
    from gemma_st import CrossEncoder

    return CrossEncoder(str(model), device="cpu").predict(PAIRS)
