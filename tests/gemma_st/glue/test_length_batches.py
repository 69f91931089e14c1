"""Tests of gemma_st.glue.length_batches: mini-batches of similar length that lose no example."""

import numpy as np

from gemma_st.glue.examples import Split
from gemma_st.glue.length_batches import LengthBatches


def make(count: int, width: int = 2) -> LengthBatches:
    """Make mini-batches of four examples of random lengths."""
    random = np.random.default_rng(0)
    texts = [tuple("x" * int(n) for n in random.integers(1, 100, width)) for _ in range(count)]
    split = Split(texts, np.zeros(count, dtype=np.int64), list(range(count)))
    return LengthBatches(split.to_dataset(), batch_size=4, drop_last=False, seed=3)


def test_every_example_is_in_one_batch() -> None:
    """Each example with one, two or three texts is in one mini-batch, and len() is their number."""
    for width in (1, 2, 3):
        batches = make(403, width)
        found = list(batches)
        assert sorted(place for batch in found for place in batch) == list(range(403))
        assert len(found) == len(batches) == 101


def test_a_batch_holds_like_lengths() -> None:
    """The longest text of a mini-batch is near its mean length; random mini-batches have much more padding."""
    batches = make(400)
    filled = [float(batches.lengths[batch].float().mean() / batches.lengths[batch].max()) for batch in batches]
    mixed = batches.lengths.view(-1, 4).float()
    assert np.mean(filled) > 0.95
    assert float((mixed.mean(1) / mixed.max(1).values).mean()) < 0.75


def test_order_is_random_by_epoch_and_repeatable() -> None:
    """Lengths are not sorted over the epoch, so the last steps do not see the longest texts only."""
    one, other = make(400), make(400)
    first = list(one)
    assert first == list(other)
    one.set_epoch(1)
    assert first != list(one)
    other.set_epoch(1)
    assert list(one) == list(other)
    lengths = [float(one.lengths[batch].float().mean()) for batch in one]
    assert abs(np.corrcoef(np.arange(len(lengths)), lengths)[0, 1]) < 0.5


def test_columns_are_the_trainers() -> None:
    """The dataset has a column for each text, in order, and the label."""
    split = Split([("a", "b", "c"), ("d", "e", "f")], np.array([1, 0]), [0, 1])
    assert split.to_dataset()[1] == {"first": "d", "second": "e", "third": "f", "label": 0}
