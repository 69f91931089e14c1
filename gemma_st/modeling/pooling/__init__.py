"""Poolers: from the hidden states of a text's tokens to one vector.

Notation, for one text of a batch: ``x_1 … x_n ∈ R^D`` are the hidden states of its *real* tokens in the order of the
text: the tokens with ``attention_mask`` 1, without the first ``prompt_length`` of them if ``include_prompt`` is False.
So the amount and the side of the padding cannot change the result, and a text without real tokens is an error. Sums
and softmaxes are computed in float32 (or wider) for any weights and under autocast, and the result has the dtype of the
hidden states. The names are those of "Adapting Decoder-Based Language Models for Diverse Encoder Downstream Tasks"
(2025).
"""

from sentence_transformers.base.modules import Module
from sentence_transformers.sentence_transformer.modules import Pooling

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling.attention import AttentionPooling
from gemma_st.modeling.pooling.ends import FirstK, LastK
from gemma_st.modeling.pooling.tokens import refuse_empty, refuse_empty_rows

__all__ = ["POOLERS", "AttentionPooling", "FirstK", "LastK", "pooler", "refuse_empty", "refuse_empty_rows"]

POOLERS: dict[str, tuple[str, ...]] = {  # name → its options
    "mean": (),
    "first": ("k",),
    "last": ("k",),
    "query-probe": ("probes", "heads"),
    "kv-probe": ("probes", "heads"),
}


def pooler(
    name: str,
    width: int,
    *,
    k: int = 1,
    probes: int | None = None,
    heads: int | None = None,
    include_prompt: bool = True,
) -> Module:
    """Make a pooler: the stock ``Pooling`` if it computes the same, so that any library loads the model; else ours.

    Args:
        name: ``"mean"``, ``"first"``, ``"last"``, ``"query-probe"`` or ``"kv-probe"``.
        width: Width ``D`` of the hidden states and of the result.
        k: Number of tokens, for ``"first"`` and ``"last"``.
        probes: Number of learned queries (default: 1) or latents (default: 64), for the two probes.
        heads: Number of attention heads (default: 8), for the two probes.
        include_prompt: Whether to pool the tokens of a prompt too.

    Examples:
        >>> pooler("last", 32, k=4).get_config_dict()
        {'embedding_dimension': 32, 'k': 4, 'include_prompt': True}
    """
    if name not in POOLERS:
        raise ModelError(f"pooler={name!r} is not known; use one of {', '.join(POOLERS)}")
    given = {"k": k != 1, "probes": probes is not None, "heads": heads is not None}
    if unused := [option for option, is_given in given.items() if is_given and option not in POOLERS[name]]:
        raise ModelError(f"pooler={name!r} has no {' or '.join(unused)}; leave that out")
    if name.endswith("-probe"):
        probe, heads = name.removesuffix("-probe"), 8 if heads is None else heads
        return AttentionPooling(width, probe=probe, probes=probes, heads=heads, include_prompt=include_prompt)
    if k != 1:
        return (FirstK if name == "first" else LastK)(width, k=k, include_prompt=include_prompt)
    mode = {"mean": "mean", "first": "cls", "last": "lasttoken"}[name]
    return refuse_empty(Pooling(width, pooling_mode=mode, include_prompt=include_prompt))
