"""Tests of a stage's [dropout] table."""

from collections.abc import Callable
from pathlib import Path

from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import same, weights


def test_dropout_is_of_training_alone(stage: Callable[..., Path]) -> None:
    """Dropout changes the trained weights, and the saved model has no module or setting of it."""
    file = stage("with")
    dropped = train(read_config(file))
    file = stage("without")
    file.write_text(file.read_text().replace("dropout = { head = 0.3, feed_forward = 0.1 }", ""))
    plain = train(read_config(file))
    assert not same(weights(dropped), weights(plain))
    for name in ("config.json", "modules.json", "sentence_bert_config.json"):
        assert (dropped / name).read_text() == (plain / name).read_text()
