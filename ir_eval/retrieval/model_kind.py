"""Whether a saved model scores pairs or encodes texts, read from its files before it is loaded."""

from typing import Literal

from gemma_st.names import loading, locate
from gemma_st.settings import read_json
from ir_eval.errors import InputError

Kind = Literal["CrossEncoder", "SentenceTransformer"]


def model_kind(name: str) -> Kind | None:
    """Return the class of a saved model, or None if its files do not say; a hub id is looked up there.

    A model of sentence-transformers names its class, or is a bi-encoder if it is of an old release; a plain
    transformers model with a classification head is a cross-encoder.

    Examples:
        >>> model_kind("reranker"), model_kind("all-minilm-l6-v2"), model_kind("decoder")
        ('CrossEncoder', 'SentenceTransformer', None)
    """
    from sentence_transformers.util.file_io import load_file_path

    directory = locate(name)
    with loading(name):
        named = load_file_path(directory, "config_sentence_transformers.json")
        kind = read_json(named).get("model_type") if named else None
        if kind in ("CrossEncoder", "SentenceTransformer"):
            return "CrossEncoder" if kind == "CrossEncoder" else "SentenceTransformer"
        if load_file_path(directory, "modules.json"):
            return "SentenceTransformer"
        config = load_file_path(directory, "config.json")
        classes = (read_json(config).get("architectures") if config else None) or [""]
        return "CrossEncoder" if str(classes[0]).endswith("ForSequenceClassification") else None


def refuse_cross_encoder(name: str) -> None:
    """Raise InputError for a model that scores pairs: its vectors would be noise.

    Examples:
        >>> refuse_cross_encoder("reranker")
        Traceback (most recent call last):
        ir_eval.errors.InputError: model 'reranker' is a CrossEncoder; expected a bi-encoder; rerank with it instead
    """
    if model_kind(name) == "CrossEncoder":
        raise InputError(f"model {name!r} is a CrossEncoder; expected a bi-encoder; rerank with it instead")
