"""Backbone + pooler + head in one call."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder

POOLERS = {"mean": "mean", "first": "cls", "last": "lasttoken"}


def cross_encoder(
    source: str | Path,
    *,
    pooler: str = "mean",
    labels: int = 1,
    dropout: float = 0.0,
    **backbone_options: Any,
) -> "CrossEncoder":
    """Turn a decoder into a cross-encoder with a fresh head, and prove that its attention is what was asked for.

    Args:
        source: A Gemma checkpoint: a directory or a hub id.
        pooler: ``"mean"``, ``"first"`` or ``"last"`` token.
        labels: One for ranking and regression, the number of classes for classification.
        dropout: Share of the head's hidden units dropped while training.
        **backbone_options: See [gemma_st.backbone.backbone][].

    Raises:
        ModelError: An argument is off, the source cannot be loaded, or its attention falls back to causal.
    """
    if pooler not in POOLERS:
        raise ModelError(f"pooler={pooler!r} is not known; use one of {', '.join(POOLERS)}")
    if labels < 1 or not 0 <= dropout < 1:
        raise ModelError(f"labels={labels}, dropout={dropout}; expected at least 1 label and 0 ≤ dropout < 1")
    from sentence_transformers.sentence_transformer.modules import Pooling
    from torch import nn

    from gemma_st.attention import verify_attention
    from gemma_st.backbone import backbone
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.heads import mlp_head

    transformer = backbone(source, **backbone_options)
    width = transformer.get_embedding_dimension()
    modules = [
        transformer,
        Pooling(width, pooling_mode=POOLERS[pooler]),
        *mlp_head(width, labels=labels, dropout=dropout),
    ]
    model = CrossEncoder(modules=modules, activation_fn=nn.Identity())
    # The logit is computed in fp32 whatever the rest runs in: a bf16 score ties where documents differ.
    model.set_keep_in_fp32_modules([f"{len(modules) - 1}.linear"])
    verify_attention(model, backbone_options.get("attention", "bidirectional"))
    return model
