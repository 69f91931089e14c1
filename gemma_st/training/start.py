"""The models that a stage begins with: the model to train, and the teacher."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError
from gemma_st.hub.saving import is_adapter
from gemma_st.training.config import TrainingConfig
from gemma_st.training.option_checks import refuse_unknown

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.sentence_transformer import SentenceTransformer

NEW_HEAD_OPTIONS = {"pooler", "head"}  # if one of them is given, a cross-encoder gets a new pooler and a new head


def load_teacher(name: str) -> "SentenceTransformer":
    """Load the bi-encoder to learn from: a directory, a hub id, or ``all-minilm-l6-v2`` from its Python package.

    Examples:
        >>> load_teacher("all-minilm-l6-v2").get_embedding_dimension()
        384
    """
    from gemma_st.names import locate
    from gemma_st.sentence_transformer import SentenceTransformer

    locate(name)
    return SentenceTransformer(name)


def start(config: TrainingConfig) -> "CrossEncoder":
    """Return the model to train: a decoder with a new pooler and a new head, or a saved cross-encoder.

    Raises:
        ModelError: The base cannot be loaded, is an adapter, or lacks a weight.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> start(read_config("stage.toml")).attention
        'bidirectional'
    """
    from gemma_st.build import cross_encoder
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.modeling.backbone import backbone
    from gemma_st.names import locate

    options = dict(config.model)
    base = locate(options.pop("base"))
    saved = Path(base, "modules.json").exists()
    kept = saved and not NEW_HEAD_OPTIONS & set(options)
    functions: list[Callable[..., object]] = [CrossEncoder] if kept else [cross_encoder, backbone]
    known = {name for function in functions for name in inspect.signature(function).parameters}
    refuse_unknown("model", options, sorted(known - {"source", "backbone_options", "model_name_or_path", "modules"}))
    if not saved:
        return cross_encoder(base, **options)
    if is_adapter(base):
        raise ModelError(f"base {base!r}: its LoRA adapter is not merged; merge it first: gemma-st merge {base} NEW")
    return CrossEncoder(base, **options) if kept else cross_encoder(base, **{"template": None, **options})
