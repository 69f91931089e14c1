"""Tests of a stage's [dropout] table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import same, weights


def test_dropout_is_of_training_alone(stage: Callable[..., Path]) -> None:
    """It changes what is learned, and the model has no module or setting of it."""
    file = stage("with")
    dropped = train(read_config(file))
    file = stage("without")
    file.write_text(file.read_text().replace("dropout = { head = 0.3, feed_forward = 0.1 }", ""))
    plain = train(read_config(file))
    assert not same(weights(dropped), weights(plain))
    for name in ("config.json", "modules.json", "sentence_bert_config.json"):
        assert (dropped / name).read_text() == (plain / name).read_text()


def test_dropped_attention_is_refused_where_attention_is_taught(stage: Callable[..., Path]) -> None:
    """The loss takes the logarithm of what would be zero."""
    file = stage()
    file.write_text(file.read_text().replace("head = 0.3", "attention = 0.1"))
    with pytest.raises(ModelError, match=r"\[dropout\] attention would hide the attention"):
        train(read_config(file))
