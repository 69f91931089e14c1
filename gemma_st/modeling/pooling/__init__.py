"""Poolers: from the states of a text's tokens to one vector.

Notation, for one text of a batch: ``x_1 … x_n ∈ R^D`` are the states of its *real* tokens in the order of the text,
that is those with ``attention_mask`` 1, less the first ``prompt_length`` of them where ``include_prompt`` is False.
What is padding, on which side and how much of it is thereby nothing a pooler can see, and a text without a real token
is an error. Sums and softmaxes run in float32 (or wider) whatever the weights and autocast, and the result has the
dtype of the states. The names are those of "Adapting Decoder-Based Language Models for Diverse Encoder Downstream
Tasks" (2025).
"""

from sentence_transformers.base.modules import Module
from sentence_transformers.sentence_transformer.modules import Pooling

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling.attention import AttentionPooling
from gemma_st.modeling.pooling.ends import FirstK, LastK
from gemma_st.modeling.pooling.tokens import check_tokens

__all__ = ["POOLERS", "AttentionPooling", "FirstK", "LastK", "pooler", "refuse_empty"]

POOLERS = ("mean", "first", "last", "query-probe", "kv-probe")


def pooler(
    name: str,
    width: int,
    *,
    k: int = 1,
    probes: int | None = None,
    heads: int | None = None,
    include_prompt: bool = True,
) -> Module:
    """Make a pooler: the stock ``Pooling`` where it computes the same, so that the model loads anywhere; else ours.

    Args:
        name: ``"mean"``, ``"first"``, ``"last"``, ``"query-probe"`` or ``"kv-probe"``.
        width: Width ``D`` of the token states, and of the result.
        k: Number of tokens, for ``"first"`` and ``"last"``.
        probes: Number of learned queries (1 unless told) or latents (64 unless told), for the two probes.
        heads: Number of attention heads (8 unless told), for the two probes.
        include_prompt: Whether the tokens of a prompt are pooled too.

    Raises:
        ModelError: The name is not known, or an argument is out of range or means nothing to this pooler.
    """
    if name not in POOLERS:
        raise ModelError(f"pooler={name!r} is not known; use one of {', '.join(POOLERS)}")
    ends, attends = name in ("first", "last"), name.endswith("-probe")
    given = {"k": not ends and k != 1, "probes": not attends and probes is not None}
    given["heads"] = not attends and heads is not None
    if unused := [argument for argument, value in given.items() if value]:
        raise ModelError(f"pooler={name!r} has no {' or '.join(unused)}; leave that out")
    if attends:
        probe, heads = name.removesuffix("-probe"), 8 if heads is None else heads
        return AttentionPooling(width, probe=probe, probes=probes, heads=heads, include_prompt=include_prompt)
    if k != 1:
        return (FirstK if name == "first" else LastK)(width, k=k, include_prompt=include_prompt)
    mode = {"mean": "mean", "first": "cls", "last": "lasttoken"}[name]
    return refuse_empty(Pooling(width, pooling_mode=mode, include_prompt=include_prompt))


def refuse_empty(pooling: Pooling) -> Pooling:
    """Make a stock pooler raise a ModelError for a text without a token, where it would return zeros or padding.

    This is a hook, and hooks are not saved: give it again to what was loaded. Giving it twice changes nothing.
    """
    if check_tokens not in pooling._forward_pre_hooks.values():
        pooling.register_forward_pre_hook(check_tokens)
    return pooling
