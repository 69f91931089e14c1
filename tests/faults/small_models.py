"""Small models with random weights, made without fixtures: the decoder and the reranker of the tests."""

import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests import conftest

if TYPE_CHECKING:
    from gemma_st import CrossEncoder


class _Folders:
    """What the fixtures of the tests ask of pytest's ``tmp_path_factory``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def mktemp(self, name: str) -> Path:
        """Return a new folder."""
        (self.root / name).mkdir(parents=True)
        return self.root / name


def write_decoder(root: Path) -> Path:
    """Write the tiny Gemma of the tests, and return its folder."""
    return conftest.tiny_gemma.__wrapped__(_Folders(root))  # type: ignore[attr-defined]


def write_reranker(decoder: Path) -> Path:
    """Write the tiny cross-encoder of the tests beside its decoder, and return its folder."""
    return conftest.tiny_reranker.__wrapped__(decoder)  # type: ignore[attr-defined]


@cache
def small_reranker() -> "CrossEncoder":
    """Return the tiny cross-encoder."""
    from gemma_st import CrossEncoder

    with tempfile.TemporaryDirectory() as folder:
        return CrossEncoder(str(write_reranker(write_decoder(Path(folder)))), device="cpu")
