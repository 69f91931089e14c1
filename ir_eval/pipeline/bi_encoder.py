"""Use a bi-encoder as a reranker: a cheap baseline."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ir_eval.cache import content_key
from ir_eval.errors import InputError, shown

if TYPE_CHECKING:
    from gemma_st import SentenceTransformer


class BiEncoder:
    """Scores a pair by the model's own similarity function of the query vector and the document vector.

    Examples:
        >>> from gemma_st import SentenceTransformer
        >>> reranker = BiEncoder(SentenceTransformer("all-minilm-l6-v2"))
        >>> scores = reranker.predict([("gold", "Gold is a metal."), ("gold", "Paris is a city.")])
        >>> bool(scores[0] > scores[1])
        True
    """

    def __init__(self, model: "SentenceTransformer") -> None:
        """Keep the model."""
        if not hasattr(model, "similarity_pairwise"):
            raise InputError(f"model {shown(model)}; expected a SentenceTransformer")
        self.model = model

    def predict(self, pairs: list[tuple[str, str]], /) -> NDArray[np.float32]:
        """Return one score per (query, document) pair, (pairs,); a repeated text is encoded once."""
        if not pairs:
            return np.empty(0, dtype=np.float32)
        for pair in pairs:
            if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
                raise InputError(f"pair {shown(pair)}; expected a query and a document")
        queries, documents = zip(*pairs, strict=True)
        left = _encode_distinct(self.model.encode_query, queries)
        right = _encode_distinct(self.model.encode_document, documents)
        scores: NDArray[np.float32] = self.model.similarity_pairwise(left, right).float().numpy()
        return scores

    def fingerprint(self) -> str:
        """Return a hash of everything that decides a score: the model and its similarity function."""
        return content_key("similarity", self.model.fingerprint(), self.model.similarity_fn_name)


def _encode_distinct(encode: Callable[..., NDArray[np.float32]], texts: Sequence[str]) -> NDArray[np.float32]:
    rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return encode(list(rows), show_progress_bar=False)[[rows[text] for text in texts]]  # (texts, D)
