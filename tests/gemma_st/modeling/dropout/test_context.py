"""The context changes nothing after its end; the models it accepts and refuses."""

import contextlib
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Dropout, Pooling
from torch import nn

from gemma_st import ModelError
from gemma_st.modeling.dropout import HONOUR_DROPOUT, DropoutRates, fine_tuning_dropout
from tests.gemma_st.modeling.dropout.conftest import IN_LAYERS, PARTS, Make, gradients, head, scores, traces


@pytest.mark.parametrize("fails", [False, True])
def test_leaves_no_trace(fails: bool, make: Make) -> None:
    """This holds if the context ends by an exception too, and a second context works."""
    model = make(attention_dropout=0.1)
    before, plain = traces(model), scores(model)
    for _ in range(2):
        with contextlib.suppress(KeyError), fine_tuning_dropout(model, DropoutRates(0.5, 0.5, 0.5, 0.5, 0.5)):
            assert traces(model)[:2] != before[:2]
            assert traces(model)[2:] == before[2:]  # configuration and parameters
            assert not scores(model).equal(plain)
            if fails:
                raise KeyError
        assert traces(model) == before
        assert scores(model).equal(plain)


def test_rates_of_zero_change_nothing(make: Make) -> None:
    """The dropout of the configuration stays active."""
    model = make(attention_dropout=0.5)
    before, plain = traces(model), scores(model)
    with fine_tuning_dropout(model, DropoutRates()):
        assert traces(model) == before
        assert scores(model).equal(plain)
    assert not scores(model, seed=1).equal(plain)


def test_a_checkpoint_saved_inside_is_the_one_saved_outside(make: Make, tmp_path: Path) -> None:
    """Every file has the same bytes."""
    model = make()
    model.save_pretrained(str(tmp_path / "outside"), create_model_card=False)
    with fine_tuning_dropout(model, DropoutRates(0.5, 0.5, 0.5, 0.5, 0.5)):
        scores(model)
        model.save_pretrained(str(tmp_path / "inside"), create_model_card=False)
    files = {path.relative_to(tmp_path / "outside") for path in (tmp_path / "outside").rglob("*") if path.is_file()}
    assert files == {p.relative_to(tmp_path / "inside") for p in (tmp_path / "inside").rglob("*") if p.is_file()}
    assert all((tmp_path / "inside" / f).read_bytes() == (tmp_path / "outside" / f).read_bytes() for f in files)
    assert json.loads((tmp_path / "inside" / "config.json").read_text())["attention_dropout"] == 0
    assert len(json.loads((tmp_path / "inside" / "modules.json").read_text())) == 5
    again = CrossEncoder(str(tmp_path / "inside"), device="cpu").train()
    assert scores(again).equal(scores(again, seed=1))
    assert scores(again).equal(scores(model))


def test_a_module_in_evaluation_mode_drops_nothing(make: Make) -> None:
    """This includes a single layer in evaluation mode while the rest is trained."""
    model = make()
    plain = scores(model)
    with fine_tuning_dropout(model, DropoutRates(attention=0.5, attention_output=0.5, feed_forward=0.5)):
        for layer in model[0].model.layers:
            layer.eval()
        assert scores(model).equal(plain)
        model[0].model.layers[1].train()
        assert not scores(model).equal(plain)


def test_models_in_a_context_can_be_pickled(make: Make) -> None:
    """Evaluation during training sends the model to other processes."""
    model = make()
    plain = scores(model.eval())
    with fine_tuning_dropout(model, DropoutRates(0.5, 0.5, 0.5, 0.5, 0.5)):
        assert scores(ForkingPickler.loads(ForkingPickler.dumps(model))).equal(plain)
        assert scores(copy.deepcopy(model)).equal(plain)


@pytest.mark.parametrize("inner", [DropoutRates(), DropoutRates(0.2), DropoutRates(head=0.2)])
def test_one_within_another_is_refused(inner: DropoutRates, make: Make) -> None:
    """The outer context stays active. Another model with the same backbone is refused, a second model is not."""
    model, other = make(), make()
    sibling = SentenceTransformer(modules=[model[0], Pooling(32, "mean")], device="cpu").train()
    with fine_tuning_dropout(model, DropoutRates(attention=0.3)):
        once = scores(model)
        for same in (model, sibling):
            with pytest.raises(ModelError, match="already inside fine_tuning_dropout"):
                fine_tuning_dropout(same, inner if same is model else DropoutRates(0.1)).__enter__()
        assert scores(model).equal(once)
        with fine_tuning_dropout(other, DropoutRates(head=0.3)):
            assert not scores(other).equal(scores(other, seed=1))
        assert scores(model).equal(once)


@pytest.mark.parametrize("part", PARTS[:4])
def test_a_bi_encoder_without_a_head(part: str, make: Make) -> None:
    """All parts but the head can have dropout; a rate for the head is an error."""
    body = make()[0]
    model = SentenceTransformer(modules=[body, Pooling(32, "lasttoken"), Normalize()], device="cpu").train()
    features = {"input_ids": torch.arange(10, 30)[None], "attention_mask": torch.ones(1, 20, dtype=torch.long)}
    with fine_tuning_dropout(model, DropoutRates(**{part: 0.3})):
        vectors = [model(dict(features))["sentence_embedding"] for _ in range(2)]
    assert not vectors[0].equal(vectors[1])
    before = traces(model)
    with pytest.raises(
        ModelError, match="dropout head: the model has no head of two Dense modules, or LayerNorm and Dense; "
    ):
        fine_tuning_dropout(model, DropoutRates(**{part: 0.3}, head=0.1)).__enter__()
    assert traces(model) == before


def test_our_own_poolers(make: Make) -> None:
    """They are found in the same place as the stock pooler."""
    from gemma_st.modeling.pooling import pooler

    model = make()
    model[1] = pooler("first", 32, k=2)
    plain = scores(model)
    with fine_tuning_dropout(model.train(), DropoutRates(pooler=0.3)):
        assert not scores(model).equal(scores(model, seed=1))
    assert scores(model).equal(plain)


@pytest.mark.parametrize("part", IN_LAYERS)
def test_layers_with_an_adapter(part: str, make: Make) -> None:
    """LoRA is applied to each projection; its gradients are also exact under checkpointing."""
    from peft import LoraConfig

    model = make()
    targets = ["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"]
    model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
    plain = gradients(model)
    with fine_tuning_dropout(model, DropoutRates(**{part: 0.3})):
        whole, checkpointed = gradients(model), gradients(model, use_reentrant=False)
    assert not any(a.equal(b) for a, b in zip(whole, plain, strict=True) if a.any())
    for one, other in zip(whole, checkpointed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), "0.1", None, True])
@pytest.mark.parametrize("part", PARTS)
def test_a_rate_that_is_none_is_refused(part: str, rate: object) -> None:
    """The error is raised when the rates are made."""
    with pytest.raises(ModelError, match=f"dropout {part}={rate!r}; expected 0 ≤ rate < 1"):
        DropoutRates(**{part: rate})  # type: ignore[arg-type]


def test_an_implementation_that_ignores_dropout_is_refused(make: Make) -> None:
    """flex_attention would raise during training and flash attention 3 would ignore the rate; both are refused."""
    model = make()
    for implementation in ("flex_attention", "flash_attention_3", "flash_attention_4", "mine", None):
        model[0].model.config._attn_implementation_internal = implementation
        message = f"GemmaAttention under {implementation} would ignore the rate; .* one of {', '.join(HONOUR_DROPOUT)}"
        with pytest.raises(ModelError, match=message):
            fine_tuning_dropout(model, DropoutRates(attention=0.1)).__enter__()
        with fine_tuning_dropout(model, DropoutRates(attention_output=0.1, feed_forward=0.1)):
            pass  # these do not hang on it


def test_transformers_still_refuses_dropout_under_flex_attention(make: Make) -> None:
    """This is why flex_attention is not in HONOUR_DROPOUT."""
    from transformers.integrations.flex_attention import flex_attention_forward

    attention, states = make()[0].model.layers[0].self_attn, torch.zeros(1, 2, 4, 16)
    with pytest.raises(ValueError, match="`flex_attention` does not support `dropout`"):
        flex_attention_forward(attention, states, states, states, None, dropout=0.1)


@pytest.mark.parametrize(
    ("chain", "part", "message"),
    [
        (lambda body: [body], "pooler", "dropout pooler: no pooler follows the Transformer; set it to 0"),
        (lambda body: [body, *head()], "pooler", "dropout pooler: no pooler follows"),
        (lambda body: [body, Pooling(32), *head()[1:2]], "head", "dropout head: the model has no head of two Dense"),
        (lambda body: [body, Pooling(32), *head()[:2], Dropout(0.1), head()[2]], "head", "has a Dropout module of its"),
        (lambda body: [body, Pooling(32), Dropout(0.1), *head()], "pooler", "has a Dropout module of its own"),
        (lambda body: [Pooling(32), *head()], "head", "Sequential does not begin with a Transformer"),
        (lambda body: [], "head", "Sequential does not begin with a Transformer"),
    ],
)
def test_what_a_chain_lacks_or_has_already_is_refused(
    chain: Callable[[nn.Module], list[nn.Module]], part: str, message: str, make: Make
) -> None:
    """Otherwise dropout would be applied nowhere, or twice."""
    model = nn.Sequential(*chain(make()[0]))
    with pytest.raises(ModelError, match=message):
        fine_tuning_dropout(model, DropoutRates(**{part: 0.1})).__enter__()


def test_what_makes_no_pooled_vector_is_told(make: Make) -> None:
    """The error is raised at the first forward pass, because the output of the module is not known before."""

    class Other(nn.Module):
        forward = staticmethod(dict)

    model = nn.Sequential(make()[0], Other())
    with fine_tuning_dropout(model, DropoutRates(pooler=0.1)):
        with pytest.raises(ModelError, match="Other outputs no sentence_embedding to apply dropout to"):
            model({"input_ids": torch.ones(1, 3, dtype=torch.long), "attention_mask": torch.ones(1, 3)})


@pytest.mark.parametrize(("part", "name"), list(zip(IN_LAYERS, ["self_attn", "self_attn", "mlp"], strict=True)))
def test_an_encoder_of_another_make_is_refused(part: str, name: str, teacher: Path) -> None:
    """The layers of BERT have other names; dropout after its pooler works."""
    model = SentenceTransformer(str(teacher), device="cpu")
    with pytest.raises(ModelError, match=f"dropout {part}: the layers of BertModel have no {name}; set it to 0"):
        fine_tuning_dropout(model, DropoutRates(**{part: 0.1})).__enter__()
    with fine_tuning_dropout(model, DropoutRates(pooler=0.1)):
        pass


def test_the_rates_come_without_torch() -> None:
    """The training configuration is read before torch is imported."""
    code = "import sys, gemma_st.modeling.dropout as d; d.DropoutRates(); sys.exit('torch' in sys.modules)"
    run = partial(subprocess.run, check=False, timeout=60)
    assert run([sys.executable, "-c", code]).returncode == 0
