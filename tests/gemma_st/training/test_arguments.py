"""Tests of the arguments that a stage passes to the model builder and to the sentence-transformers trainer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gemma_st import CrossEncoder, ModelError
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.training.conftest import same, weights


def test_accumulated_steps_are_those_of_the_larger_batch(ranking: Callable[..., Path]) -> None:
    """Two accumulated batches of one list give the weights of one batch of two lists, up to rounding."""
    # plain SGD: Adam would turn a rounding error into a step of full size
    changes = {"max_steps = 6": "max_steps = 2", "save_steps = 2": 'save_steps = 2\noptim = "sgd"'}
    halves = {"train_batch_size = 2": "train_batch_size = 1\ngradient_accumulation_steps = 2"}
    made = []
    for name, edits in (("whole", changes), ("halves", changes | halves)):
        file = ranking(name)
        text = file.read_text()
        for old, new in edits.items():
            text = text.replace(old, new)
        file.write_text(text)
        made.append(weights(train(read_config(file))))
    assert same(*made)


def test_gradient_checkpointing_learns_the_same(ranking: Callable[..., Path]) -> None:
    """Also with dropout and an adapter."""
    more = "dropout = { feed_forward = 0.2, attention = 0.2 }\nlora = { rank = 2 }\n"
    plain = train(read_config(ranking("plain", more=more)))
    file = ranking("checkpointed", more=more, trainer="gradient_checkpointing = true\n")
    assert same(weights(plain), weights(train(read_config(file))))


def test_bf16_computes_roughly_and_keeps_full_weights(ranking: Callable[..., Path]) -> None:
    """The first loss is near the loss in float32, and the weights differ from those of float32."""
    exact, rough = (
        train(read_config(ranking(name, trainer=trainer)))
        for name, trainer in (("exact", ""), ("rough", "bf16 = true\n"))
    )
    first = [json.loads((model / "training.json").read_text())["log"][0]["loss"] for model in (exact, rough)]
    assert first[0] == pytest.approx(first[1], abs=0.05)
    assert not same(weights(exact), weights(rough))
    assert load_file(rough / "model.safetensors")["norm.weight"].dtype == torch.float32


def test_mask_pooler_padding_side_and_budgets_are_the_models(ranking: Callable[..., Path]) -> None:
    """The saved model keeps the options of [model]; with left padding a batch scores as its pairs do one by one."""
    chosen = 'attention = "causal"\npooler = "last"\npadding_side = "left"\nquery_length = 5\ndocument_length = 20'
    model = CrossEncoder(str(train(read_config(ranking(model=chosen)))), device="cpu")
    assert (model.attention, model.tokenizer.padding_side, model[1].pooling_mode) == ("causal", "left", "lasttoken")
    assert (model[0].query_length, model[0].document_length) == (5, 20)
    together = model.predict(PAIRS)
    assert together == pytest.approx([model.predict(pair) for pair in PAIRS], abs=1e-5)
    assert model.truncation.documents == 0


@pytest.mark.parametrize("kind", ["tiny_gemma", "tiny_reranker"])
def test_a_base_that_does_not_load_in_full_is_refused(
    ranking: Callable[..., Path], kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The weights of a decoder or a reranker lack a tensor, or have one too many; nothing is trained."""
    base = shutil.copytree(request.getfixturevalue(kind), tmp_path / "base")
    tensors = load_file(base / "model.safetensors")
    lost = {name: tensor for name, tensor in tensors.items() if name != "layers.1.mlp.up_proj.weight"}
    for broken, message in (
        (lost, r"layers\.1\.mlp\.up_proj\.weight is missing"),
        (
            {**tensors, "layers.7.mlp.up_proj.weight": torch.ones(2, 2)},
            r"layers\.7\.mlp\.up_proj\.weight is unexpected",
        ),
    ):
        save_file(broken, base / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelError, match=message):
            train(read_config(ranking(base=base)))
        assert not (tmp_path / "ranking/checkpoints").exists()
