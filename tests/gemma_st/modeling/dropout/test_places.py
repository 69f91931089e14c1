"""The rate and the place of dropout in every attention implementation, and its repetition under checkpointing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gemma_st.modeling.dropout import DropoutRates, fine_tuning_dropout
from tests.gemma_st.modeling.dropout.conftest import BACKBONES, PARTS, Make, gradients, scores


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("family", "implementation", "options"), BACKBONES)
def test_each_rate_works_in_training_alone(
    part: str, family: str, implementation: str, options: dict[str, Any], make: Make
) -> None:
    """Two training passes differ, and the evaluation is exactly the same as before."""
    model = make(family, implementation, **options)
    plain, evaluated = scores(model), scores(model.eval())
    with fine_tuning_dropout(model.train(), DropoutRates(**{part: 0.3})):
        once, twice = scores(model), scores(model, seed=1)
        assert scores(model.eval()).equal(evaluated)
        assert scores(model.train()).equal(once)  # by the seed alone
    assert not once.equal(twice)
    assert not once.equal(plain)
    assert scores(model).equal(plain)


def outputs(model: nn.Module, module: nn.Module, pick: Callable[[Any], Tensor], passes: int) -> tuple[Tensor, Tensor]:
    """Return the output of a module without dropout, and its outputs in several training passes."""
    seen: list[Tensor] = []
    watch = module.register_forward_hook(lambda _, args, output: seen.append(pick(output).detach().clone()))
    # The watch runs after the hooks that were there before it: made here, inside the context.
    for number in range(passes):
        scores(model, seed=number)
    scores(model.eval())
    watch.remove()
    model.train()
    return seen[-1], torch.stack(seen[:-1])


@pytest.mark.parametrize(
    ("part", "place", "pick"),
    [
        ("attention_output", "0.model.layers.0.self_attn", lambda output: output[0]),
        ("feed_forward", "0.model.layers.0.mlp", lambda output: output),
        ("pooler", "1", lambda output: output["sentence_embedding"]),
        ("head", "3", lambda output: output["sentence_embedding"]),
    ],
)
def test_drops_the_share_and_keeps_the_mean(part: str, place: str, pick: Callable[[Any], Tensor], make: Make) -> None:
    """Values are dropped directly after the named part and nowhere before it; the rest is scaled up."""
    model = make()
    with fine_tuning_dropout(model, DropoutRates(**{part: 0.25})):
        full, dropped = outputs(model, model.get_submodule(place), pick, 200)
    zero = dropped == 0
    assert zero.float().mean().item() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(dropped[~zero], (full / 0.75).expand_as(dropped)[~zero])
    assert (dropped.mean(0) - full).norm() < 0.1 * full.norm()


def test_a_linear_head_drops_values_of_the_normalised_vector(make: Make) -> None:
    """A linear head has no hidden units, and its input is not the output of the pooler."""
    model = make()
    del model[3]
    with fine_tuning_dropout(model, DropoutRates(head=0.25)):
        full, dropped = outputs(model, model[2], lambda output: output["sentence_embedding"], 200)
    zero = dropped == 0
    assert zero.float().mean().item() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(dropped[~zero], (full / 0.75).expand_as(dropped)[~zero])


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", ["self_attn", "mlp"])
def test_every_layer_drops(name: str, layer: int, make: Make) -> None:
    """Every layer is affected, not only the first."""
    model = make()
    with fine_tuning_dropout(model, DropoutRates(attention_output=0.25, feed_forward=0.25)):
        part = model[0].model.layers[layer].get_submodule(name)
        _, dropped = outputs(model, part, lambda output: output[0] if isinstance(output, tuple) else output, 20)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)


def test_attention_drops_the_share_of_the_softmax_and_keeps_the_mean(make: Make) -> None:
    """Eager attention returns the weights, whose sum in a row has a mean of 1."""
    model = make(implementation="eager")
    with fine_tuning_dropout(model, DropoutRates(attention=0.25)):
        for layer in model[0].model.layers:
            full, dropped = outputs(model, layer.self_attn, lambda output: output[1], 200)
            real = (full > 0).expand_as(dropped)
            assert (dropped[real] == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
            assert dropped.sum(-1).mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("family", "implementation", "options"), BACKBONES)
def test_every_implementation_drops_the_same_share_of_the_softmax(
    family: str, implementation: str, options: dict[str, Any], make: Make
) -> None:
    """If all values are 1, the output of an attention head is the sum of the weights that were not dropped."""
    model = make(family, implementation, **options)
    attention = model[0].model.layers[1].self_attn
    sums: list[Tensor] = []
    attention.v_proj.register_forward_hook(lambda *given: torch.ones_like(given[-1]))
    attention.o_proj.register_forward_pre_hook(lambda _, args: sums.append(args[0].detach()))
    scores(model)
    torch.testing.assert_close(sums.pop(), torch.ones(2, 20, 32))
    with fine_tuning_dropout(model, DropoutRates(attention=0.25)):
        for number in range(50):
            scores(model, seed=number)
    made = torch.stack(sums)[..., ::16]  # one value of each head
    assert made.mean().item() == pytest.approx(1, abs=0.02)
    # The variance of a sum of n like weights of 1/n, each kept with probability 1 - p: p / (1 - p) / n.
    variances = made.var(dim=(0, 2, 3))
    torch.testing.assert_close(variances, torch.tensor([1 / 3 / 12, 1 / 3 / 20]), rtol=0.2, atol=0)


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("family", "implementation", "options"), [BACKBONES[1], BACKBONES[2], BACKBONES[3]])
def test_gradients_are_exact_under_checkpointing(
    part: str, use_reentrant: bool, family: str, implementation: str, options: dict[str, Any], make: Make
) -> None:
    """The backward pass runs the layers again and drops the same values."""
    model = make(family, implementation, **options)
    plain = gradients(model)
    with fine_tuning_dropout(model, DropoutRates(**{part: 0.3})):
        whole = gradients(model)
        runs: list[int] = []
        model[0].model.layers[0].mlp.register_forward_pre_hook(lambda *_: runs.append(1))
        checkpointed = gradients(model, use_reentrant=use_reentrant)
    assert len(runs) == 2  # it was
    assert not all(a.equal(b) for a, b in zip(whole, plain, strict=True))
    assert len(whole) == len(checkpointed) == len(list(model.parameters()))
    for one, other in zip(whole, checkpointed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_runs_under_bfloat16_autocast(part: str, implementation: str, make: Make) -> None:
    """The forward and backward pass run under gradient checkpointing."""
    model = make(implementation=implementation)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = gradients(model)
        with fine_tuning_dropout(model, DropoutRates(**{part: 0.3})):
            whole, checkpointed = gradients(model), gradients(model, use_reentrant=False)
    assert not all(a.equal(b) for a, b in zip(whole, plain, strict=True))
    assert all(gradient.isfinite().all() for gradient in whole)
    for one, other in zip(whole, checkpointed, strict=True):
        torch.testing.assert_close(one, other)
