"""Tests of gemma_st.training.embeddings: what a stage saves is as if nothing had been restricted."""

import copy
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.training.config import read_config
from gemma_st.training.embeddings import embeddings_are_frozen, freeze_embeddings
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import same, weights

TABLE = "embed_tokens.weight"


def table(directory: Path) -> torch.Tensor:
    """Return the token embeddings of a saved model."""
    return next(tensor for name, tensor in weights(directory).items() if name.endswith(TABLE))


def test_auto_freezes_a_table_that_is_larger_than_the_layers(
    decoder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; the choice is the user's."""
    small = cross_encoder(decoder("GemmaModel"))
    deep = copy.deepcopy(small)
    deep.transformers_model.layers.extend(copy.deepcopy(small.transformers_model.layers))
    assert [embeddings_are_frozen(model, "auto") for model in (small, deep)] == [True, False]
    with caplog.at_level(logging.WARNING):
        assert not freeze_embeddings(small, False)
        assert small.transformers_model.embed_tokens.weight.requires_grad
        assert freeze_embeddings(small, "auto")
    assert not small.transformers_model.embed_tokens.weight.requires_grad
    count = f"{sum(p.numel() for p in small.parameters()):,}"
    (line,) = caplog.messages
    assert line.startswith(f"the token embeddings (32,000 of {count} parameters) are not trained; freeze_embeddings")


@pytest.mark.parametrize("frozen", [True, False])
def test_a_stage_with_the_tokens_of_its_lists_gives_the_same_model(
    ranking: Callable[..., Path], dev: str, frozen: bool
) -> None:
    """The measures on dev, too, whose documents have other tokens; checkpoints are smaller; a second call resumes."""
    choice = f"freeze_embeddings = {str(frozen).lower()}\n{dev}\ndocuments = 2\n"
    steady = {"trainer": "weight_decay = 0.0\nsave_total_limit = 9\n", "model": "max_length = 64\n"}
    plain = train(read_config(ranking("plain", more=choice, **steady)))
    file = ranking("less", more=f"{choice}restrict_vocabulary = true\n", **steady)
    less = train(read_config(file))
    assert same(weights(plain), weights(less))
    assert len(table(less)) == 1000 > len(table(less / "checkpoints/checkpoint-2"))
    history = [json.loads((path / "training.json").read_text()) for path in (plain, less)]
    for one, other in zip(*(record["log"] for record in history), strict=True):
        for key in ("loss", "eval_mrr@10", "eval_ndcg@10"):
            assert one.get(key) == pytest.approx(other.get(key), abs=1e-5)
    assert history[1]["stage"]["embeddings"] == ("frozen" if frozen else "trained")
    assert ("embeddings" in (less / "README.md").read_text()) and len(CrossEncoder(str(less)).tokenizer) == 1000
    (less / "modules.json").unlink()
    train(read_config(file))  # from its last checkpoint
    assert same(weights(plain), weights(less))


def test_adapters_belong_to_the_whole_backbone(ranking: Callable[..., Path]) -> None:
    """Refused when the file is read."""
    with pytest.raises(ModelError, match=r"\[lora\] with restrict_vocabulary; remove it"):
        read_config(ranking(more="restrict_vocabulary = true\nlora = { rank = 2 }\n"))
