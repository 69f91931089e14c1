"""Tests of several processes on one model: scores, counts, warnings and errors are those of one process."""

import copy
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.modeling.truncation import Truncation
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.modeling.conftest import LONG


def test_a_pool_gives_what_one_process_gives(tiny_gemma: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Counts were those of the worker processes, and nothing was logged here."""
    model = cross_encoder(tiny_gemma, max_length=40)
    pairs = [*PAIRS, ("what", LONG), (LONG, "short"), ("a <eos>", "b"), ("what", LONG)]
    pool = model.start_multi_process_pool(["cpu", "cpu"])
    try:
        for stride in (None, 10):
            model.stride = stride
            expected, counts = model.predict(pairs), model.truncation
            assert counts.inputs == len(pairs)
            caplog.clear()
            with caplog.at_level(logging.WARNING, "gemma_st"):
                found = model.predict(pairs, pool=pool, chunk_size=2)
            if stride is None:  # the workers have the model of the moment when the pool was started
                assert np.allclose(found, expected, atol=1e-6)
                assert model.truncation == counts == Truncation(inputs=7, queries=1, documents=4, lost=1)
                assert [record.getMessage() for record in caplog.records] == [str(counts)]
        assert model.predict([], pool=pool).shape == (0,)
        assert model.truncation == Truncation()
        scores = model.predict(pairs, pool=pool, convert_to_tensor=True)
        assert scores.shape == (7,)
        with pytest.raises(ModelError, match="^pair 4: its text has"):
            model.predict([*pairs[:4], ("what", "\ud800")], pool=pool)
        with pytest.raises(ModelError, match="^max_length=0"):
            model.predict(pairs, pool=pool, max_length=0)
    finally:
        model.stop_multi_process_pool(pool)


def test_a_list_of_devices_counts_too(tiny_gemma: Path) -> None:
    """Windows included."""
    model = cross_encoder(tiny_gemma, max_length=40, stride=10)
    pairs = [("what", LONG), (LONG, "short")]
    expected, counts = model.predict(pairs), model.truncation
    assert np.allclose(model.predict(pairs, device=["cpu"]), expected, atol=1e-6)
    assert model.truncation == counts == Truncation(inputs=2, queries=1, documents=1, lost=1)
    bi = sentence_transformer(tiny_gemma)
    with pytest.raises(ModelError, match="^text 1: its text has"):
        bi.encode(["a", "\ud800"], device=["cpu"])


def test_copies_keep_every_setting(tiny_gemma: Path) -> None:
    """Pickled and deep-copied models read special tokens as text and refuse what the model refuses."""
    model = cross_encoder(tiny_gemma, max_length=40, stride=10)
    model.dtypes = ["float32"]
    bi: SentenceTransformer = sentence_transformer(tiny_gemma)
    pairs = [("a <eos>", f"<pad> {LONG}")]
    expected = model.predict(pairs)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301  (our own bytes)
        assert isinstance(copied, CrossEncoder)
        assert np.array_equal(copied.predict(pairs), expected)
        assert copied.truncation == model.truncation
        with pytest.raises(ModelError, match="computes in float32 only"):
            copied.half().predict(pairs)
    for other in (copy.deepcopy(bi), pickle.loads(pickle.dumps(bi))):  # noqa: S301
        assert np.array_equal(other.encode(["a <eos>"]), bi.encode(["a <eos>"]))
