"""Backbone + pooler + head in one call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.modeling.template import PAIR, set_template

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Module, Transformer
    from transformers import PreTrainedConfig

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

Pooler = str | Mapping[str, Any]
PROMPTS = {"query": "Query: ", "document": "Document: "}


def cross_encoder(
    source: "str | Path | PreTrainedConfig",
    *,
    pooler: Pooler = "mean",
    head: str = "mlp",
    labels: int | Sequence[str] = 1,
    template: str | None = PAIR,
    query_length: int | None = None,
    document_length: int | None = None,
    stride: int | None = None,
    **backbone_options: Any,
) -> "CrossEncoder":
    """Turn a decoder into a cross-encoder with a fresh head, and prove that its attention is what was asked for.

    Args:
        source: A Gemma checkpoint, a directory or a hub id; or a configuration, to start at random.
        pooler: A name, or ``{"name": …}`` with its options; see [gemma_st.modeling.pooling.pooler][].
        head: ``"mlp"``, or ``"linear"``, which has no hidden layer; see [gemma_st.modeling.heads.make_head][].
        labels: One for ranking and regression; for classification the number of classes, or their names.
        template: What a pair is put into, kept in the tokenizer; see [gemma_st.modeling.template.set_template][].
            ``None`` leaves the tokenizer's own.
        query_length: Budget of the query in tokens; without one it is cut only where it alone is too long.
        document_length: Budget of the document in tokens; what the query leaves if not given.
        stride: Tokens from one window of a document that is too long to the next; without one it is cut.
        **backbone_options: See [gemma_st.modeling.backbone.backbone][].

    Raises:
        ModelError: An argument is off, the source cannot be loaded, or its attention falls back to causal.
    """
    names = [] if isinstance(labels, int) else list(labels)
    count = len(names) or labels
    if not isinstance(count, int) or count < 1 or len(set(names)) < len(names):
        raise ModelError(f"labels={labels!r}; expected at least 1, or different names")
    _check_budgets(query_length=query_length, document_length=document_length, stride=stride)
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.modeling.heads import make_head

    transformer, pooling = _encoder(source, pooler, backbone_options)
    if template is not None:
        set_template(transformer.tokenizer, template)
    transformer.query_length, transformer.document_length = query_length, document_length
    config = transformer.model.config
    config.id2label = dict(enumerate(names or [f"LABEL_{label}" for label in range(count)]))
    config.label2id = {name: label for label, name in config.id2label.items()}
    modules = [transformer, pooling, *make_head(head, transformer.get_embedding_dimension(), labels=count)]
    model = CrossEncoder(modules=modules, activation_fn=nn.Identity())
    model.stride = stride
    # The logit is computed in fp32 whatever the rest runs in: a bf16 score ties where documents differ.
    model.set_keep_in_fp32_modules([f"{len(modules) - 1}.linear"])
    return model


def sentence_transformer(
    source: "str | Path | PreTrainedConfig",
    *,
    pooler: Pooler = "mean",
    prompts: Mapping[str, str] | None = None,
    normalize: bool = True,
    **backbone_options: Any,
) -> "SentenceTransformer":
    """Turn a decoder into a bi-encoder: one vector a text, for a dense first stage.

    It is trained with sentence-transformers' own losses, ``MultipleNegativesRankingLoss`` among them.

    Args:
        source: A Gemma checkpoint, a directory or a hub id; or a configuration, to start at random.
        pooler: A name, or ``{"name": …}`` with its options; see [gemma_st.modeling.pooling.pooler][].
        prompts: What ``encode_query`` and ``encode_document`` put before a text; ``Query: `` and ``Document: `` if not
            given.
        normalize: Whether vectors have length 1, so that their dot product is the cosine.
        **backbone_options: See [gemma_st.modeling.backbone.backbone][].

    Raises:
        ModelError: An argument is off, the source cannot be loaded, or its attention falls back to causal.
    """
    from sentence_transformers.base.modules import Normalize

    from gemma_st.sentence_transformer import SentenceTransformer

    transformer, pooling = _encoder(source, pooler, backbone_options)
    set_template(transformer.tokenizer, None)
    modules = [transformer, pooling, *([Normalize()] if normalize else [])]
    return SentenceTransformer(modules=modules, prompts=dict(PROMPTS if prompts is None else prompts))


def _encoder(
    source: "str | Path | PreTrainedConfig", pooler: Pooler, options: dict[str, Any]
) -> "tuple[Transformer, Module]":
    """Return backbone and pooler, the backbone's attention proven."""
    from gemma_st.modeling.backbone import backbone
    from gemma_st.modeling.masks import verify_attention
    from gemma_st.modeling.pooling import pooler as make_pooler

    chosen = {"name": pooler} if isinstance(pooler, str) else dict(pooler)
    if "name" not in chosen:
        raise ModelError(f"pooler={chosen!r} has no name; give it one, like {{'name': 'mean'}}")
    transformer = backbone(source, **options)
    try:
        pooling = make_pooler(width=transformer.get_embedding_dimension(), **chosen)
    except TypeError as error:
        raise ModelError(f"pooler={chosen!r}: {error}; its options are k, probes, heads, include_prompt") from error
    verify_attention(transformer.model, options.get("attention", "bidirectional"))
    return transformer, pooling


def _check_budgets(**budgets: int | None) -> None:
    for name, budget in budgets.items():
        if budget is not None and budget < 1:
            raise ModelError(f"{name}={budget} leaves no room for a token; give at least 1")
