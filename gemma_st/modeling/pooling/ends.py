"""First-K and last-K pooling."""

from torch import Tensor

from gemma_st.modeling.pooling.tokens import Pooler


class FirstK(Pooler):
    """First-K pooling, ``(B, T, D) → (B, D)``.

    ``y = 1/m · Σ_{t=1…m} x_t`` with ``m = min(K, n)``: the mean of the first ``K`` real tokens, or of all tokens of a
    shorter text. There are no weights. The notation is that of [gemma_st.modeling.pooling][].

    Args:
        embedding_dimension: Width ``D``.
        k: Number of tokens ``K ≥ 1``.
        include_prompt: Whether to pool the tokens of a prompt too.

    Examples:
        >>> import torch
        >>> states = torch.arange(6.0).view(1, 3, 2)
        >>> FirstK(2, k=2)({"token_embeddings": states})["sentence_embedding"]
        tensor([[1., 2.]])
    """

    __module__ = "gemma_st.modeling.pooling"  # modules.json names it, so it must outlive the layout of our files
    config_keys: list[str] = ["embedding_dimension", "k", "include_prompt"]

    def __init__(self, embedding_dimension: int, *, k: int, include_prompt: bool = True) -> None:
        """Check the arguments."""
        super().__init__(embedding_dimension, include_prompt=include_prompt)
        self.k = self.at_least_one("k", k)

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool the states ``(B, T, D)`` of the tokens marked in ``real (B, T)`` to ``(B, D)``."""
        return self.mean(states, real & (real.cumsum(1) <= self.k))


class LastK(FirstK):
    """Last-K pooling, ``(B, T, D) → (B, D)``.

    ``y = 1/m · Σ_{t=n-m+1…n} x_t`` with ``m = min(K, n)``: the mean of the last ``K`` real tokens, or of all tokens of
    a shorter text. There are no weights. The arguments are those of [gemma_st.modeling.pooling.FirstK][].

    Examples:
        >>> import torch
        >>> states = torch.arange(6.0).view(1, 3, 2)
        >>> LastK(2, k=2)({"token_embeddings": states})["sentence_embedding"]
        tensor([[3., 4.]])
    """

    __module__ = "gemma_st.modeling.pooling"

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool the states ``(B, T, D)`` of the tokens marked in ``real (B, T)`` to ``(B, D)``."""
        after = real.sum(1, keepdim=True) - real.cumsum(1)
        return self.mean(states, real & (after < self.k))
