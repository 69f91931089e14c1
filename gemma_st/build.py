"""Building a model in one call: backbone, pooler and head."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from gemma_st.errors import ModelError
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.heads import make_head
from gemma_st.modeling.masks import Attention, verify_attention
from gemma_st.modeling.template import PAIR, set_template

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Module, Transformer
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

Pooler = str | Mapping[str, Any]
PROMPTS = {"query": "Query: ", "document": "Document: "}


class _BackboneOptions(TypedDict, total=False):
    attention: Attention
    padding_side: Literal["left", "right"]
    max_length: int | None
    dtype: str
    attn_implementation: str | None
    revision: str | None
    tokenizer: "str | Path | PreTrainedTokenizerBase | None"


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
    **backbone_options: Unpack[_BackboneOptions],
) -> "CrossEncoder":
    """Build a cross-encoder from a decoder and a new head, and verify its attention mask.

    Args:
        source: A Gemma checkpoint, a directory or a hub id; or a configuration, for random weights.
        pooler: A name, or ``{"name": …}`` with its options; see [gemma_st.modeling.pooling.pooler][].
        head: ``"mlp"``, or ``"linear"`` without a hidden layer; see [gemma_st.modeling.heads.make_head][].
        labels: 1 for ranking and regression; for classification the number of classes, or their names.
        template: The template of a pair, saved with the tokenizer; see [gemma_st.modeling.template.set_template][].
            ``None`` keeps the tokenizer's own.
        query_length: Maximum length of the query in tokens; limited by ``max_length`` only if not given.
        document_length: Maximum length of the document in tokens; the rest that the query leaves if not given.
        stride: Number of tokens between window starts in a long document; it is truncated if not given.
        **backbone_options: ``attention``, ``padding_side``, ``max_length``, ``dtype``, ``attn_implementation``,
            ``revision`` and ``tokenizer``; see [gemma_st.modeling.backbone.backbone][].

    Examples:
        >>> cross_encoder("decoder", labels=["no", "yes"], max_length=64).label_names
        ['no', 'yes']
    """
    names = [] if isinstance(labels, int) else list(labels)
    count = len(names) or labels
    if not isinstance(count, int) or count < 1 or len(set(names)) < len(names):
        raise ModelError(f"labels={labels!r}; expected at least 1, or different names")
    for name, budget in {"query_length": query_length, "document_length": document_length, "stride": stride}.items():
        if budget is not None and budget < 1:
            raise ModelError(f"{name}={budget} leaves no room for a token; give at least 1")
    from torch import nn

    from gemma_st.cross_encoder import CrossEncoder

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
    # The logit is computed in float32 for every weight type: bfloat16 scores of different documents would tie.
    model.set_keep_in_fp32_modules([f"{len(modules) - 1}.linear"])
    return model


def sentence_transformer(
    source: "str | Path | PreTrainedConfig",
    *,
    pooler: Pooler = "mean",
    prompts: Mapping[str, str] | None = None,
    normalize: bool = True,
    **backbone_options: Unpack[_BackboneOptions],
) -> "SentenceTransformer":
    """Build a bi-encoder from a decoder, to be trained with losses of sentence-transformers, and verify its mask.

    The source, the pooler and the backbone options are those of [gemma_st.build.cross_encoder][]. The prompts are those
    of ``encode_query`` and ``encode_document``: ``Query: `` and ``Document: `` if not given. With ``normalize``,
    vectors have length 1, so that their dot product is the cosine.

    Examples:
        >>> sentence_transformer("decoder", pooler={"name": "last", "k": 2}).encode_query("do goldfish grow").shape
        (32,)
    """
    from sentence_transformers.base.modules import Normalize

    from gemma_st.sentence_transformer import SentenceTransformer

    transformer, pooling = _encoder(source, pooler, backbone_options)
    set_template(transformer.tokenizer, None)
    modules: list[nn.Module] = [transformer, pooling, *([Normalize()] if normalize else [])]
    return SentenceTransformer(modules=modules, prompts=dict(PROMPTS if prompts is None else prompts))


def _encoder(
    source: "str | Path | PreTrainedConfig", pooler: Pooler, options: _BackboneOptions
) -> "tuple[Transformer, Module]":
    """Return the backbone, with a verified attention mask, and the pooler."""
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
