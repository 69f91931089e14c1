"""The model of a task before it is trained: a base, and what is put behind it."""

from collections.abc import Sequence
from pathlib import Path

from sentence_transformers.base.modules import Dense
from torch import nn

from gemma_st.build import cross_encoder
from gemma_st.cross_encoder import CrossEncoder
from gemma_st.errors import ModelError
from gemma_st.glue.config import OWN, GlueConfig
from gemma_st.glue.tasks import Task
from gemma_st.names import locate

TEMPLATE = "Sentence 1: {query} Sentence 2: {document}"  # of a bare decoder, whose own runs a pair into one text
FIRST = 0.75  # share of the longest input that a first text may take, so that something is left for the second


def build(task: Task, config: GlueConfig) -> CrossEncoder:
    """Put a fresh pooler and head onto the backbone of the base; or a fresh last layer onto a whole cross-encoder.

    Args:
        task: The task.
        config: How to train.

    Raises:
        ModelError: The base cannot be used so.
    """
    base = locate(config.base)
    labels = [] if task.choices else task.labels
    if config.pooler == OWN:
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
        query_length=max(int(FIRST * config.max_length), 1),
    )


def _with_own_head(base: str, labels: Sequence[str], config: GlueConfig) -> CrossEncoder:
    """Replace the last layer of a cross-encoder: what stands before it may be where it compares two texts."""
    source = CrossEncoder(base)
    *kept, last = source
    head = "mlp" if any(isinstance(module, Dense) for module in kept) else "linear"
    asked = {"attention": config.attention, "padding_side": config.padding_side, "head": config.head}
    has = {"attention": source.attention, "padding_side": source.tokenizer.padding_side, "head": head}
    if asked != has or not isinstance(last, Dense):
        raise ModelError(f"pooler {OWN!r} keeps the model as it is, with {has}; ask for these, or for another pooler")
    names = labels or ["LABEL_0"]
    fresh = Dense(last.in_features, len(names), activation_function=nn.Identity(), module_output_name="scores")
    source.config.id2label, source.config.label2id = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
    fresh.linear.weight.data.copy_(last.linear.weight[:1])  # what it is good for is not random
    model = CrossEncoder(modules=[*kept, fresh], activation_fn=nn.Identity())
    model.set_keep_in_fp32_modules([f"{len(kept)}.linear"])
    model.max_seq_length = min(config.max_length, source.max_seq_length)
    model[0].query_length = max(int(FIRST * model.max_seq_length), 1)
    return model


def freeze(model: CrossEncoder, parts: Sequence[str]) -> None:
    """Exempt weights from training.

    Args:
        model: The model.
        parts: Parts of their names.

    Raises:
        ModelError: A part is in no name, or nothing is left to train.
    """
    names = [name for name, _ in model.named_parameters()]
    for part in parts:
        if not any(part in name for name in names):
            raise ModelError(f"freeze {part!r} is in no weight's name; they are like {names[0]}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(part in name for part in parts))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(
            f"freeze {' '.join(parts)} leaves nothing to train; freeze less, or ask for probe and no epochs"
        )
