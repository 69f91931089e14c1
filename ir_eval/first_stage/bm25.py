"""BM25 (Robertson & Zaragoza 2009) by Lucene, through Pyserini and Anserini (Lin et al. 2021)."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from ir_eval.cache import cached, content_key
from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.first_stage import jvm
from ir_eval.progress import progress_bar
from ir_eval.run import Run

T = TypeVar("T")

DOCUMENTS_AT_ONCE, TOPICS_AT_ONCE = 5000, 512  # between two of these the bar moves and Ctrl-C is heard
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
        rm3: Expand the query by RM3 pseudo-relevance feedback (Abdul-Jaleel et al. 2004) with Anserini's defaults:
            10 terms from 10 documents, weight .5 on the original query. Its index also holds document vectors.
        threads: For indexing and searching; by default one for each core.

    Raises:
        InputError: A parameter is out of range.
    """

    collection: Collection
    _: KW_ONLY
    k1: float = 0.9
    b: float = 0.4
    rm3: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
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
        """Of the runs: ``bm25`` or ``bm25+rm3``."""
        return "bm25+rm3" if self.rm3 else "bm25"

    @cached_property
    def index_path(self) -> Path:
        """The Lucene index, built when it is first asked for and not in the cache.

        Raises:
            InputError: Java cannot start, a document cannot be read, or the cache cannot be written.
        """
        key = content_key("lucene", version("pyserini"), self.collection.fingerprint, self.rm3)
        return cached(f"indexes/lucene-{key[:32]}", self._build)

    def prepare(self) -> Path:
        """Start Java and build the index, so that what a search takes is the search; return ``index_path``."""
        jvm.start()
        return self.index_path

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` best documents of every topic.

        Args:
            topics: Query id to query text.
            k: Documents wanted; a topic gets fewer where fewer share a word with it, and is absent where none does.

        Raises:
            InputError: ``k`` is below 1, no topic matches any document, or the index cannot be built.
        """
        if k < 1:
            raise InputError(f"BM25 for the best {k} documents; expected at least 1")
        index = self.index_path
        lines = (
            f"{query_id}\t{text}\n" for query_id, query in topics.items() if (text := BLANKS.sub(" ", query).strip())
        )
        with TemporaryDirectory() as scratch, progress_bar() as bar:
            task = bar.add_task(f"searching {self.collection.name}", total=len(topics))
            found = Path(scratch, "run")
            with found.open("wb") as run:
                for batch in _batches(lines, TOPICS_AT_ONCE):
                    run.write(self._search_batch(batch, k, index, Path(scratch)))
                    bar.advance(task, len(batch))
            if not found.stat().st_size:
                raise InputError(
                    f"{self.collection.name}: none of {len(topics)} topics shares a word with any document; "
                    "expected topics in the language of the collection"
                )
            return Run.read(found, name=self.name)

    def _search_batch(self, lines: list[str], k: int, index: Path, scratch: Path) -> bytes:
        """Let Anserini write the run of some topics: several times faster than fetching hits one by one into Python."""
        machine = jvm.start()
        from pyserini.pyclass import autoclass

        topics, run = scratch / "topics.tsv", scratch / "part"
        topics.write_text("".join(lines), encoding="utf-8")
        options = ["-index", str(index), "-topics", str(topics), "-topicReader", "TsvString", "-output", str(run)]
        options += ["-bm25", "-bm25.k1", str(self.k1), "-bm25.b", str(self.b), *(["-rm3"] if self.rm3 else [])]
        options += ["-hits", str(k), "-threads", str(self._workers)]
        autoclass("io.anserini.search.SearchCollection").main(options)
        printed = machine.take_output()
        before, trace, _ = printed.partition("\n\tat ")
        if trace:  # Anserini prints it and goes on without the query
            raise RuntimeError(f"Lucene failed on a query: {before.splitlines()[-1]}")
        return run.read_bytes()

    def _build(self, folder: Path) -> None:
        jvm.start()
        from pyserini.index.lucene import LuceneIndexer

        options = ["-index", str(folder), "-memoryBuffer", "256", *(["-storeDocvectors"] if self.rm3 else [])]
        with closing(LuceneIndexer(args=options, threads=self._workers)) as indexer, progress_bar() as bar:
            task = bar.add_task(f"indexing {self.collection.name}", total=None)
            for batch in _batches(self.collection.documents(), DOCUMENTS_AT_ONCE):
                indexer.add_batch_raw([json.dumps({"id": doc_id, "contents": text}) for doc_id, text in batch])
                bar.advance(task, len(batch))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
