"""The model of a task before training: a base with a new pooler and head, or with a new last layer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentence_transformers.base.modules import Dense
from torch import nn

from gemma_st.build import cross_encoder
from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.glue.config import OWN_POOLER, GlueConfig
from gemma_st.glue.tasks import Task
from gemma_st.names import locate

TEMPLATE = "Sentence 1: {query} Sentence 2: {document}"  # for decoders whose tokenizer has no template for pairs
FIRST_TEXT_SHARE = 0.75  # of max_length that the first text may take, so that some of the second text remains


def build(task: Task, config: GlueConfig) -> CrossEncoder:
    """Put a new pooler and head on the backbone of the base; with ``pooler="own"``, a new last layer on the base.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> build(TASKS["mnli"], GlueConfig(base="decoder", pooler="last", head="linear")).label_names
        ['entailment', 'neutral', 'contradiction']
    """
    base = locate(config.base)
    labels = [] if task.choices else task.labels
    if config.pooler == OWN_POOLER:
        return _with_own_head(base, labels, config)
    return cross_encoder(
        base,
        pooler=config.pooler,
        head=config.head,
        labels=labels or 1,
        template=None if Path(base, "modules.json").exists() else TEMPLATE,
        attention=config.attention,
        padding_side=config.padding_side,
        max_length=config.max_length,
        query_length=max(int(FIRST_TEXT_SHARE * config.max_length), 1),
    )


def _with_own_head(base: str, labels: Sequence[str], config: GlueConfig) -> CrossEncoder:
    """Replace the last layer of a cross-encoder; its other layers may already compare the two texts."""
    source = CrossEncoder(base)
    *kept, last = source
    head = "mlp" if any(isinstance(module, Dense) for module in kept) else "linear"
    asked = {"attention": config.attention, "padding_side": config.padding_side, "head": config.head}
    has = {"attention": source.attention, "padding_side": source.tokenizer.padding_side, "head": head}
    if asked != has or not isinstance(last, Dense):
        raise ModelError(f"pooler {OWN_POOLER!r} keeps the model as it is, with {has}; set these, or another pooler")
    names = labels or ["LABEL_0"]
    new = Dense(last.in_features, len(names), activation_function=nn.Identity(), module_output_name="scores")
    new.linear.weight.data.copy_(last.linear.weight[:1])  # begin with the base's score: better than random
    settings: Any = source.config
    settings.id2label, settings.label2id = dict(enumerate(names)), {name: i for i, name in enumerate(names)}
    model = CrossEncoder(modules=[*kept, new], activation_fn=nn.Identity())
    model.set_keep_in_fp32_modules([f"{len(kept)}.linear"])
    model.dtypes = source.dtypes
    longest = min(config.max_length, source.max_seq_length or config.max_length)
    model.max_seq_length = longest
    transformer: Any = model[0]
    transformer.query_length = max(int(FIRST_TEXT_SHARE * longest), 1)
    return model
