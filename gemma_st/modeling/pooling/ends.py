"""First-K and last-K pooling."""

from typing import ClassVar

from torch import Tensor

from gemma_st.modeling.pooling.tokens import Pooler, at_least_one, mean


class FirstK(Pooler):
    """First-K pooling, ``(B, T, D) → (B, D)``.

    ``y = 1/m · Σ_{t=1…m} x_t`` with ``m = min(K, n)``: the mean of the first ``K`` real tokens, of a text shorter than
    that the mean of them all. No weights. The notation is that of [gemma_st.modeling.pooling][].

    Args:
        embedding_dimension: Width ``D``.
        k: Number of tokens ``K ≥ 1``.
        include_prompt: Whether the tokens of a prompt are pooled too.

    Raises:
        ModelError: An argument is out of range.
    """

    __module__ = "gemma_st.modeling.pooling"  # modules.json names it: saved models outlive the layout of our files
    config_keys: ClassVar[list[str]] = ["embedding_dimension", "k", "include_prompt"]

    def __init__(self, embedding_dimension: int, *, k: int, include_prompt: bool = True) -> None:
        """Check the arguments."""
        super().__init__(embedding_dimension, include_prompt=include_prompt)
        self.k = at_least_one("k", k)

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool states ``(B, T, D)``, of which the mask ``real (B, T)`` counts, to ``(B, D)``."""
        return mean(states, real & (real.cumsum(1) <= self.k))


class LastK(FirstK):
    """Last-K pooling, ``(B, T, D) → (B, D)``.

    ``y = 1/m · Σ_{t=n-m+1…n} x_t`` with ``m = min(K, n)``: the mean of the last ``K`` real tokens, of a text shorter
    than that the mean of them all. No weights. Arguments and errors are those of [gemma_st.modeling.pooling.FirstK][].
    """

    __module__ = "gemma_st.modeling.pooling"

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool states ``(B, T, D)``, of which the mask ``real (B, T)`` counts, to ``(B, D)``."""
        behind = real.sum(1, keepdim=True) - real.cumsum(1)
        return mean(states, real & (behind < self.k))
