"""Tests of gemma_st.heads."""

import torch
from torch import nn

from gemma_st.heads import mlp_head


def run(head: list[nn.Module], pooled: torch.Tensor) -> torch.Tensor:
    """Return the head's scores in evaluation mode."""
    scores: torch.Tensor = nn.Sequential(*head).eval()({"sentence_embedding": pooled})["scores"]
    return scores


def test_is_the_formula_of_its_docstring() -> None:
    """For several labels."""
    torch.manual_seed(0)
    head = mlp_head(8, labels=3)
    norm, hidden, logit = head[0].norm, head[1].linear, head[-1].linear
    pooled = torch.randn(5, 8)
    expected = logit(nn.functional.gelu(hidden(norm(pooled))))
    assert torch.allclose(run(head, pooled), expected, atol=1e-6)
    assert expected.shape == (5, 3)


def test_a_pooled_norm_in_the_hundreds_does_no_harm() -> None:
    """Field notes: hidden norms near 200 blow up a bare linear layer; normalised first, the scale does not matter."""
    torch.manual_seed(0)
    head, pooled = mlp_head(64), torch.randn(5, 64)
    assert torch.allclose(run(head, 200 * pooled), run(head, pooled), atol=1e-4)
    assert run(head, 200 * pooled).abs().max() < 3


def test_is_made_of_stock_modules_and_ends_in_a_dense_that_writes_scores() -> None:
    """Field notes: ``num_labels`` recognises nothing else."""
    head = mlp_head(8)
    assert all(type(module).__module__.startswith("sentence_transformers.") for module in head)
    assert [type(module).__name__ for module in head] == ["LayerNorm", "Dense", "Dense"]
    assert head[-1].module_output_name == "scores"
