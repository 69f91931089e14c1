"""A bi-encoder as a reranker: the similarity of two vectors, which a cross-encoder must beat."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ir_eval.cache import content_key

if TYPE_CHECKING:
    from gemma_st import SentenceTransformer


class BiEncoder:
    """Scores a pair by the model's own similarity of the query's and the document's vectors.

    Args:
        model: A bi-encoder.
    """

    def __init__(self, model: "SentenceTransformer") -> None:
        """Keep the model."""
        self.model = model

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[np.float32]:
        """Return one score per (query, document) pair; each text is encoded once. (pairs,)."""
        queries, documents = (list(dict.fromkeys(texts)) for texts in zip(*pairs, strict=True))
        left = self.model.encode_query(queries, show_progress_bar=False)
        right = self.model.encode_document(documents, show_progress_bar=False)
        rows = {query: row for row, query in enumerate(queries)}, {text: row for row, text in enumerate(documents)}
        scores = self.model.similarity_pairwise(
            left[[rows[0][query] for query, _ in pairs]], right[[rows[1][text] for _, text in pairs]]
        )
        found: NDArray[np.float32] = scores.float().numpy()
        return found

    def fingerprint(self) -> str:
        """Return a key of all that decides a score."""
        return content_key("similarity", self.model.fingerprint(), self.model.similarity_fn_name)


def is_bi_encoder(directory: str) -> bool:
    """Tell whether a saved model, a directory or a hub id, is a bi-encoder; an old one does not say so."""
    from sentence_transformers.util.file_io import load_file_path

    files = (load_file_path(directory, name) for name in ("config_sentence_transformers.json", "modules.json"))
    config, modules = (json.loads(Path(path).read_text(encoding="utf-8")) if path else None for path in files)
    kind = (config or {}).get("model_type")
    return kind == "SentenceTransformer" or (kind is None and modules is not None)
