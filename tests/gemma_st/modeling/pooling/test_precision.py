"""NaN, bf16, autocast and gradients."""

import pytest
import torch

from gemma_st.modeling.pooling import FirstK, pooler
from tests.gemma_st.modeling.pooling.conftest import (
    ATTENTION,
    OURS,
    WIDTH,
    batch,
    each_attention,
    each_of_ours,
    make,
    pool,
    texts,
)


@each_of_ours
def test_nan_under_the_padding_stays_there(case: str) -> None:
    """A product with the mask would spread a NaN of the padding to the result and to the gradients."""
    pooling, features = make(case), batch(texts(), junk=torch.nan)
    states = features["token_embeddings"].requires_grad_()
    pooled = pool(pooling, features)
    pooled.sum().backward()
    assert torch.allclose(pooled, pool(pooling, batch(texts())), atol=1e-5)
    assert states.grad is not None
    assert all(weight.isfinite().all() for weight in (states.grad, *(p.grad for p in pooling.parameters())))
    assert not states.grad[features["attention_mask"] == 0].any()


@each_of_ours
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32], ids=str)
def test_bf16_is_close_to_fp32(case: str, weights: torch.dtype) -> None:
    """The difference is below 2 % of the result's norm, for weights in bf16 and in fp32."""
    pooling, features = make(case), batch(texts())
    exact = pool(pooling, features)
    features["token_embeddings"] = features["token_embeddings"].bfloat16()
    rounded = pool(pooling.to(weights), features)
    assert rounded.dtype == torch.bfloat16
    assert ((rounded - exact).norm(dim=1) < 0.02 * exact.norm(dim=1)).all()


@each_of_ours
def test_sums_and_softmax_are_fp32(case: str) -> None:
    """A bf16 pooler with exact projections rounds once, at the end: each number is the rounded fp32 number."""
    torch.manual_seed(0)
    pooling = pooler(**{"width": 64, **OURS[case]}).bfloat16()
    if isinstance(pooling, FirstK):
        pooling.k = 200
    states = torch.randn(8, 300, 64).bfloat16()
    features = {"token_embeddings": states, "attention_mask": torch.ones(8, 300)}
    rounded = pool(pooling, features)
    exact = pool(pooling.float(), {**features, "token_embeddings": states.float()}).bfloat16()
    assert (rounded == exact).float().mean() > 0.99  # the order of a sum may tip one over


@each_of_ours
def test_autocast(case: str) -> None:
    """The result has the dtype of the states and is close to fp32, and the gradients are finite."""
    pooling, features = make(case), batch(texts())
    exact = pool(pooling, features)
    states = features["token_embeddings"].requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = pool(pooling, features)
    pooled.sum().backward()
    assert pooled.dtype == torch.float32
    assert ((pooled - exact).norm(dim=1) < 0.02 * exact.norm(dim=1)).all()
    assert states.grad is not None
    assert states.grad.isfinite().all()


@each_attention
def test_gradients_reach_every_fresh_weight(case: str) -> None:
    """The gradients also differ from probe to probe; equal probes would stay equal."""
    torch.manual_seed(0)
    pooling = pooler(**{"width": WIDTH, **ATTENTION[case]})
    (pool(pooling, batch(texts())) ** 3).sum().backward()
    for name, parameter in pooling.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.any(dim=-1).all(), name
        if "weight" not in name and len(parameter) > 1:
            assert torch.pdist(parameter.grad).min() > 0, name


def test_a_fresh_query_probe_is_mean_pooling_nearly_and_a_fresh_kv_probe_tells_texts_apart() -> None:
    """The states have a root mean square of 1, and of 4 as in a Gemma."""
    torch.manual_seed(0)
    states = [torch.randn(30, 64) for _ in range(4)]
    means, features = torch.stack([text.mean(0) for text in states]), {"token_embeddings": torch.stack(states)}
    query, kv = pooler("query-probe", 64, probes=4), pooler("kv-probe", 64)
    assert (pool(query, features) - means).norm() < 0.05 * means.norm()
    features["token_embeddings"] = features["token_embeddings"] * 4
    assert (pool(query, features) - 4 * means).norm() < 0.15 * (4 * means).norm()
    pooled = pool(kv, features)
    assert torch.pdist(pooled).min() > 0.2 * pooled.norm(dim=1).max()
