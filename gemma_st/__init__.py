"""gemma_st: Gemma decoders as bidirectional encoders, in sentence-transformers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.errors import ModelError
    from gemma_st.modeling.masks import verify_bidirectional
    from gemma_st.sentence_transformer import SentenceTransformer

# name → module: torch is imported when one of these is first asked for, not before
_LAZY = {
    "CrossEncoder": "gemma_st.cross_encoder",
    "ModelError": "gemma_st.errors",
    "SentenceTransformer": "gemma_st.sentence_transformer",
    "verify_bidirectional": "gemma_st.modeling.masks",
}
__all__ = ["CrossEncoder", "ModelError", "SentenceTransformer", "verify_bidirectional"]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
