"""Tests of gemma_st.modeling.heads."""

import pytest
import torch
from torch import nn

from gemma_st import ModelError
from gemma_st.modeling.heads import HEADS, make_head


def run(head: list[nn.Module], pooled: torch.Tensor) -> torch.Tensor:
    """Return the head's scores in evaluation mode."""
    scores: torch.Tensor = nn.Sequential(*head).eval()({"sentence_embedding": pooled})["scores"]
    return scores


def test_is_the_formula_of_its_docstring() -> None:
    """The head has several labels."""
    torch.manual_seed(0)
    head = make_head("mlp", 8, labels=3)
    norm, hidden, logit = head[0].norm, head[1].linear, head[-1].linear
    pooled = torch.randn(5, 8)
    expected = logit(nn.functional.gelu(hidden(norm(pooled))))
    assert torch.allclose(run(head, pooled), expected, atol=1e-6)
    assert expected.shape == (5, 3)


def test_a_linear_head_has_no_hidden_layer() -> None:
    """An unknown name is an error."""
    torch.manual_seed(0)
    head = make_head("linear", 8, labels=3)
    pooled = torch.randn(5, 8)
    assert torch.allclose(run(head, pooled), head[1].linear(head[0].norm(pooled)), atol=1e-6)
    with pytest.raises(ModelError, match="head='deep' is not known; use one of mlp, linear"):
        make_head("deep", 8)


@pytest.mark.parametrize("name", HEADS)
def test_a_pooled_norm_in_the_hundreds_does_no_harm(name: str) -> None:
    """Field notes: hidden norms near 200 blow up a bare linear layer; normalised first, the scale does not matter."""
    torch.manual_seed(0)
    head, pooled = make_head(name, 64), torch.randn(5, 64)
    assert torch.allclose(run(head, 200 * pooled), run(head, pooled), atol=1e-4)
    assert run(head, 200 * pooled).abs().max() < 3


@pytest.mark.parametrize("name", HEADS)
def test_is_made_of_stock_modules_and_ends_in_a_dense_that_writes_scores(name: str) -> None:
    """Field notes: ``num_labels`` of the stock class recognises only such a Dense."""
    head = make_head(name, 8)
    assert all(type(module).__module__.startswith("sentence_transformers.") for module in head)
    assert [type(module).__name__ for module in head] == ["LayerNorm", *["Dense"] * (name == "mlp"), "Dense"]
    assert head[-1].module_output_name == "scores"
