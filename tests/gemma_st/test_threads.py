"""Tests of one model that several threads use at once."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer

from gemma_st import CrossEncoder
from gemma_st.modeling.truncation import Truncation, Truncator
from tests.gemma_st.conftest import PAIRS

THREADS, CALLS = 8, 50
Call = Callable[[int], NDArray[np.float32]]


@pytest.fixture
def model(tiny_reranker: Path) -> CrossEncoder:
    """A small reranker whose scores tell texts apart."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    with torch.no_grad():
        model[-1].linear.weight.mul_(1e2)
    return model


def pairs_of(size: int) -> list[tuple[str, str]]:
    """Return pairs of which the last has a document of ``size`` sentences."""
    return [*PAIRS, ("do ponds hold water", "Ponds hold water and copies. " * size)]


def worst(call: Call) -> float:
    """Return the largest difference between the scores of 8 threads and those of one."""
    sizes = [[1 + (7 * thread + 3 * number) % 17 for number in range(CALLS)] for thread in range(THREADS)]
    expected = {size: call(size) for size in {size for row in sizes for size in row}}
    barrier = Barrier(THREADS)

    def work(row: list[int]) -> float:
        barrier.wait()
        return max(float(np.abs(call(size) - expected[size]).max()) for size in row)

    with ThreadPoolExecutor(THREADS) as threads:
        return max(threads.map(work, sizes))


@pytest.mark.parametrize("stride", [None, 50])
def test_threads_get_the_scores_of_one_thread(model: CrossEncoder, stride: int | None) -> None:
    """Documents of all lengths: some fit, some are truncated or split into windows."""
    model.stride = stride
    assert worst(lambda size: model.predict(pairs_of(size))) < 1e-6


def test_each_thread_may_have_its_own_length(model: CrossEncoder) -> None:
    """Neither ``max_length`` nor ``processing_kwargs`` of a call reaches the calls of other threads."""

    def call(size: int) -> NDArray[np.float32]:
        longest = 20 + size
        if size % 2:
            return model.predict(pairs_of(size), max_length=longest)
        return model.predict(pairs_of(size), processing_kwargs={"text": {"max_length": longest}})

    assert worst(call) < 1e-6


def test_each_thread_has_its_own_counts(model: CrossEncoder) -> None:
    """The counts are those of the last prediction of the same thread, for each model."""
    barrier, other = Barrier(2), copy.deepcopy(model)

    def work(size: int) -> tuple[Truncation, Truncation]:
        model.predict(pairs_of(size))
        barrier.wait()
        return model.truncation, other.truncation

    with ThreadPoolExecutor(2) as threads:
        cut = Truncation(inputs=4, documents=1)
        assert list(threads.map(work, [1, 60])) == [(Truncation(inputs=4), Truncation()), (cut, Truncation())]
    assert model.truncation == Truncation()


def test_a_model_that_has_scored_can_be_pickled(model: CrossEncoder) -> None:
    """The copy gives the same scores."""
    scores = model.predict(pairs_of(60))
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  (our own bytes)
    assert np.array_equal(again.predict(pairs_of(60)), scores)


def test_counting_leaves_the_tokenizer_as_it_is(tiny_gemma: Path) -> None:
    """Its truncation and padding are those that the last scored batch set, and the offsets are its own."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gemma)
    texts = ["a license", "", "naïve 中文 😀", " <eos> a  patent\n", "word " * 300]
    expected = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    tokenizer(texts, truncation=True, padding=True, max_length=7)
    before = tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding
    assert list(Truncator(tokenizer, 20).offsets(texts)) == expected
    assert (tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding) == before


def test_a_token_added_later_is_counted_as_one(tiny_gemma: Path) -> None:
    """The vocabulary of a tokenizer may grow between two predictions."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gemma)
    truncator = Truncator(tokenizer, 20)
    assert len(next(truncator.offsets(["goldfishpond"]))) > 1
    tokenizer.add_tokens(["goldfishpond"])
    assert len(next(truncator.offsets(["goldfishpond"]))) == 1
