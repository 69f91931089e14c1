"""BM25 (Robertson & Zaragoza 2009) and its relatives by Lucene, through Pyserini and Anserini (Lin et al. 2021)."""

import os
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ir_eval.cache import cached, content_key
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.retrieval import Retrieved, jvm
from ir_eval.retrieval.lucene import build_index, feedback_options, given_key, given_path
from ir_eval.retrieval.option_types import check_types
from ir_eval.retrieval.search_batches import Topics, retrieve_in_batches

BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")  # what would break a line of the topics file


@dataclass(frozen=True)
class BM25:
    """Lucene's BM25 over a collection, as in Anserini's published baselines: Porter stemming, Lucene's stop words.

    The index holds no text and no positions, and is cached by the content of the documents. Scores come with four
    decimals; ties are ordered by document id and set apart in steps of 1e-6, as Anserini writes them.

    Attributes:
        collection: What is searched.
        k1: Saturation of the term frequency, at least 0.
        b: Strength of the length normalisation, from 0 to 1. Anserini's defaults are .9 and .4; tuned on MS MARCO
            passages: .82 and .68.
        similarity: ``bm25``, or ``qld``: query likelihood with Dirichlet smoothing (Zhai & Lafferty 2004), mu 1000,
            which knows no k1 and b.
        feedback: Expand the query by pseudo-relevance feedback with Anserini's defaults, 10 terms from 10 documents:
            ``rm3`` (Abdul-Jaleel et al. 2004; weight .5 on the original query) or ``rocchio`` (Rocchio 1971; alpha 1,
            beta .75, no negative documents). Its index also holds document vectors.
        index: Search this index in place of the collection's documents, which are not read then: the folder of a
            Lucene index, else a prebuilt index of Pyserini such as ``msmarco-v1-passage``, which is downloaded.
        threads: For indexing and searching; by default one for each core.

    Raises:
        InputError: A parameter is out of range.
    """

    collection: Collection
    _: KW_ONLY
    k1: float = 0.9
    b: float = 0.4
    similarity: Literal["bm25", "qld"] = "bm25"
    feedback: Literal["rm3", "rocchio"] | None = None
    index: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_types(self)
        if not (self.k1 >= 0 and 0 <= self.b <= 1 and self._workers >= 1):
            raise InputError(
                f"BM25 with k1={self.k1}, b={self.b}, {self.threads} threads; "
                "expected k1 of at least 0, b from 0 to 1 and a thread"
            )

    @property
    def _workers(self) -> int:
        return (os.cpu_count() or 1) if self.threads is None else self.threads

    @property
    def name(self) -> str:
        """Of the runs: the similarity, and the feedback after a plus: ``bm25``, ``qld+rm3``."""
        return "+".join(filter(None, (self.similarity, self.feedback)))

    @cached_property
    def _index_key(self) -> str:
        if self.index is not None:
            return given_key(self.index)
        return content_key("lucene", version("pyserini"), self.collection.fingerprint, self.feedback is not None)

    @property
    def key(self) -> str:
        """A content key of all that decides a run besides topics and k.

        Raises:
            InputError: ``index`` is neither a Lucene index nor a name that Pyserini knows.
        """
        return content_key(version("pyserini"), self._index_key, self.k1, self.b, self.similarity, self.feedback)

    @cached_property
    def index_path(self) -> Path:
        """The Lucene index, built or downloaded when it is first asked for and not in the cache.

        Raises:
            InputError: Java cannot start, a document cannot be read, the download failed, or the cache cannot be
                written.
        """
        if self.index is not None:
            return given_path(self.index)
        build = partial(build_index, self.collection, vectors=self.feedback is not None, threads=self._workers)
        return cached(f"indexes/lucene-{self._index_key[:32]}", build)

    def prepare(self) -> Path:
        """Start Java, build the index and search once.

        Returns:
            `index_path`.
        """
        text = next(iter(self.collection.topics.values()), "the")
        with TemporaryDirectory() as scratch:
            self._search_batch([("warm-up", text)], 1000, Path(scratch, "run"))
        return self.index_path

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` best documents of every topic.

        Args:
            topics: Query id to query text.
            k: Documents wanted; a topic gets fewer where fewer share a word with it, and is absent where none does.

        Raises:
            InputError: ``k`` is below 1, no topic matches any document, or the index cannot be built.
        """
        return self.retrieve(topics, k).run

    def retrieve(self, topics: Mapping[str, str], k: int = 1000) -> Retrieved:
        """Search, and say how long that took."""
        return retrieve_in_batches(self, topics, k, search=self._search_batch)

    @cached_property
    def _model_options(self) -> list[str]:
        parameters = ["-bm25.k1", str(self.k1), "-bm25.b", str(self.b)] if self.similarity == "bm25" else []
        feedback = [f"-{self.feedback}", *feedback_options(self.index_path, self.index)] if self.feedback else []
        return [f"-{self.similarity}", *parameters, *feedback]

    def _search_batch(self, topics: Topics, k: int, path: Path) -> None:
        """Let Anserini write the run of some topics: several times faster than fetching hits one by one into Python."""
        machine = jvm.start()
        from pyserini.pyclass import autoclass

        lines = [f"{query_id}\t{text}\n" for query_id, query in topics if (text := BLANKS.sub(" ", query).strip())]
        if not lines:
            path.write_bytes(b"")
            return
        queries = path.with_name("topics.tsv")
        queries.write_text("".join(lines), encoding="utf-8")
        options = ["-index", str(self.index_path), *self._model_options, "-hits", str(k), "-output", str(path)]
        options += ["-topics", str(queries), "-topicReader", "TsvString", "-threads", str(self._workers)]
        autoclass("io.anserini.search.SearchCollection").main(options)
        printed = machine.take_output()
        before, trace, _ = printed.partition("\n\tat ")
        if trace:  # Anserini prints it and goes on without the query
            raise RuntimeError(f"Lucene failed on a query: {before.splitlines()[-1]}")
