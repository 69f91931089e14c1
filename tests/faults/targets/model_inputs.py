"""What a small cross-encoder is given: pairs, queries, documents and options."""

import math
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.faults.fuzzer import Target
from tests.faults.mutation import mutate_trees

if TYPE_CHECKING:
    from gemma_st import CrossEncoder

ODD = (
    None, math.nan, 0, 1.5, True, b"bytes", "", " ", "\ud800", "a\x00b",
    "<eos><pad>", "x" * 5000, "é日本", [], {}, (), ("a", "b"),
    ["a"], ("a", "b", "c"), {"a": 1}, np.nan, np.str_("text"), np.array(["a",
    "b"]), np.array([1.0]), range(2), object, len,
    [["a", "b"]], {"role": "user", "content": "x"}, ("a", None), Ellipsis, 10**30, -1,
)  # fmt: skip
PAIRS = [("what is gold", "Gold is a metal."), ("do goldfish grow", "Goldfish grow as long as they live.")]
RANKING = {
    "query": "what is gold",
    "documents": ["Gold is a metal.", "Goldfish grow."],
    "top_k": 2,
    "return_documents": True,
}


@cache
def model() -> "CrossEncoder":
    """Return a cross-encoder with random weights."""
    from tests.faults.small_models import small_reranker

    return small_reranker()


def _predict(folder: Path, pairs: Any) -> None:
    if not np.isfinite(model().predict(pairs, show_progress_bar=False)).all():
        raise ValueError("a score is not finite")


def _rank(folder: Path, given: Any) -> None:
    from gemma_st.errors import ModelError

    if not isinstance(given, dict) or not {"query", "documents"} <= given.keys() or given.keys() - RANKING.keys():
        raise ModelError("no arguments of rank")
    model().rank(**given)


_trees = partial(mutate_trees, values=ODD)
TARGETS = (
    Target("predict", (PAIRS,), _predict, _trees, share=0.02),
    Target("rank", (RANKING,), _rank, _trees, share=0.02),
)
