"""gemma_st: Gemma decoders as bidirectional encoders, in sentence-transformers.

The names below are imported when they are first used, so that ``import gemma_st`` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder as CrossEncoder
    from gemma_st.errors import ModelError as ModelError
    from gemma_st.hub.export import export as export
    from gemma_st.hub.saving import open_model as open_model, save as save
    from gemma_st.hub.verify import verify as verify
    from gemma_st.losses.distillation import ScoreDistillationLoss as ScoreDistillationLoss
    from gemma_st.losses.pointwise import PointwiseLoss as PointwiseLoss
    from gemma_st.losses.poly1 import Poly1SoftmaxLoss as Poly1SoftmaxLoss
    from gemma_st.losses.softmax import SoftmaxLoss as SoftmaxLoss
    from gemma_st.losses.states import StatesLoss as StatesLoss
    from gemma_st.modeling.dropout import DropoutRates as DropoutRates, fine_tuning_dropout as fine_tuning_dropout
    from gemma_st.modeling.masks import verify_bidirectional as verify_bidirectional
    from gemma_st.modeling.pooling import AttentionPooling as AttentionPooling, FirstK as FirstK, LastK as LastK
    from gemma_st.names import packaged as packaged
    from gemma_st.sentence_transformer import SentenceTransformer as SentenceTransformer
    from gemma_st.training.config import TrainingConfig as TrainingConfig
    from gemma_st.training.trainer import train as train

_NAMES = {
    "cross_encoder": "CrossEncoder",
    "errors": "ModelError",
    "hub.export": "export",
    "hub.saving": "open_model save",
    "hub.verify": "verify",
    "losses.distillation": "ScoreDistillationLoss",
    "losses.pointwise": "PointwiseLoss",
    "losses.poly1": "Poly1SoftmaxLoss",
    "losses.softmax": "SoftmaxLoss",
    "losses.states": "StatesLoss",
    "modeling.dropout": "DropoutRates fine_tuning_dropout",
    "modeling.masks": "verify_bidirectional",
    "modeling.pooling": "AttentionPooling FirstK LastK",
    "names": "packaged",
    "sentence_transformer": "SentenceTransformer",
    "training.config": "TrainingConfig",
    "training.trainer": "train",
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names.split()}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(_MODULES)
