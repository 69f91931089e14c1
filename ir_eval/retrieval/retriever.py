"""The base class of all first stages, and `open_retriever`, which makes a first stage from its kind and options."""

import inspect
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from itertools import chain, islice
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple, TypeVar, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ir_eval.cache import cache_dir, content_key, remembered
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.data.table import as_strings
from ir_eval.data.text_files import id_fault
from ir_eval.errors import InputError, shown
from ir_eval.progress import progress_bar

T = TypeVar("T")
Topics = list[tuple[str, str]]  # (query id, query text)

TOPICS_PER_BATCH = 512  # searched and cached together; an interruption loses at most one batch
SCRATCH_REMEDY = "expected room for the run of a few hundred topics; free space, or set TMPDIR to another folder"
_MAX_DEPTH = 2**31 - 1  # Java's largest integer
SECONDS = struct.Struct("<d")  # header of a cached batch: the search time
# The class of each kind, imported when it is used; add a new first stage here.
_CLASSES = {"bm25": "ir_eval.retrieval.bm25:BM25", "dense": "ir_eval.retrieval.dense:Dense"}


class TimedRun(NamedTuple):
    """A run, and the time of the search or the model that made it.

    Attributes:
        run: The ranking.
        seconds: Time without loading and indexing. For results from the cache, the time of their original computation.

    Examples:
        >>> TimedRun(Run.read("bm25.trec"), seconds=0.5).run.name
        'bm25'
    """

    run: Run
    seconds: float


class Retriever(ABC):
    """A first stage over one collection: finds the best documents of each topic.

    A subclass is a frozen dataclass that defines `name`, `key`, `prepare` and `search_batch`. It inherits `search` and
    `retrieve`, which search in batches and cache the run of each batch: an interrupted search resumes after its last
    complete batch. Its fields, but for ``collection``, are its options.

    Examples:
        >>> from ir_eval import BM25, open_collection
        >>> collection = open_collection("collection")
        >>> run, seconds = BM25(collection).retrieve(collection.topics)
        >>> (len(run), seconds > 0)
        (2, True)
    """

    def __post_init__(self) -> None:
        """Check the options against their annotations, as pydantic does in strict mode: no value is converted.

        Raises:
            InputError: An option has a wrong type or value; the error names the option, the value and the rule.
        """
        hints = get_type_hints(type(self), include_extras=True)
        for name in [field.name for field in fields(self) if field.name != "collection"]:  # type: ignore[arg-type]
            value = getattr(self, name)
            try:
                TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError as error:
                raise InputError(f"{type(self).__name__} with {name} = {value!r}; {error.errors()[0]['msg']}") from None

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the runs."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Cache key: a hash of everything but topics and k that decides a run (documents, options, model, versions)."""

    def load(self) -> None:
        """Load the model and look for a given index, before any work; nothing by default."""
        return None

    def share_model(self, other: "Retriever") -> None:
        """Take over the loaded model of a first stage with the same options; nothing by default."""
        return None

    @property
    def remedy(self) -> str:
        """What to do if no topic finds a document."""
        return "expected topics in the language of the collection"

    @abstractmethod
    def prepare(self) -> object:
        """Build and load everything that a search needs, and search once. `retrieve` calls it if it must search."""

    @abstractmethod
    def search_batch(self, topics: Topics, k: int, path: Path) -> None:
        """Search without the cache, and write the TREC run of these topics to a path."""

    def search(self, topics: Mapping[str, str], k: int = 1000) -> Run:
        """Find the ``k`` best documents of every topic.

        Args:
            topics: Query id to query text, in any order.
            k: Number of documents per topic. A topic gets fewer if fewer are found, and is absent if none is found.

        Raises:
            InputError: ``k`` is below 1, no topic matches any document, or the index cannot be built.
            gemma_st.errors.ModelError: The model cannot be loaded.
        """
        return self.retrieve(topics, k).run

    def retrieve(self, topics: Mapping[str, str], k: int = 1000) -> TimedRun:
        """Search as `search` does, and return the time of the search without `prepare`."""
        _check_search(self.name, topics, k)
        # Topics are sorted, so that their order does not decide which topics share a batch: the last bit of a model's
        # vectors depends on the other texts in the batch.
        key, seconds, ordered = self.key, 0.0, sorted(topics.items())
        places = {_place(key, k, batch): batch for batch in batches(ordered, TOPICS_PER_BATCH)}
        if not all((cache_dir() / place).is_file() for place in places):
            self.prepare()  # before the first search, which must not include its time or its progress bar
        about = f"runs of {self.name}" + (f" on {self.collection.name}" if hasattr(self, "collection") else "")
        with scratch_folder() as scratch, progress_bar() as bar:
            task = bar.add_task(f"searching with {self.name}", total=len(topics))
            whole, part = scratch / "run", scratch / "part"
            with whole.open("wb") as run:
                for place, batch in places.items():
                    kept = remembered(place, partial(self._timed, batch, k, part), about=about)
                    seconds += SECONDS.unpack_from(kept)[0]
                    run.write(kept[SECONDS.size :])
                    bar.advance(task, len(batch))
            if not whole.stat().st_size:
                raise InputError(f"{self.name}: no document for any of {len(topics)} topics; {self.remedy}")
            return TimedRun(Run.read(whole, name=self.name), seconds)

    def _timed(self, batch: Topics, k: int, path: Path) -> bytes:
        start = perf_counter()
        self.search_batch(batch, k, path)
        return SECONDS.pack(perf_counter() - start) + path.read_bytes()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items; the last list may be shorter.

    Examples:
        >>> list(batches("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _place(key: str, k: int, batch: Topics) -> str:
    content = content_key("run", key, k, *chain.from_iterable(batch))
    return f"runs/{content_key('runs', key)[:32]}/{content[:32]}"


def _check_search(name: str, topics: Mapping[str, str], k: int) -> None:
    """Refuse arguments of a search that Java or a TREC run could not hold."""
    if type(k) is bool or not isinstance(k, int | np.integer):
        raise InputError(f"{name} for the best {k!r} documents; expected a whole number")
    if not 1 <= k <= _MAX_DEPTH:
        raise InputError(f"{name} for the best {k} documents; expected at least 1, and at most {_MAX_DEPTH}")
    if not isinstance(topics, Mapping):
        raise InputError(f"topics of type {type(topics).__name__}; expected query texts by query id")
    for query_id, text in topics.items():
        if not (isinstance(query_id, str) and isinstance(text, str)):
            raise InputError(f"query {query_id!r} with {str(text)[:40]!r}; expected a string for id and text")
        if fault := id_fault(query_id):
            raise InputError(f"query {fault}; rename it")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder; one without room is an `InputError`.

    Examples:
        >>> with scratch_folder() as folder:
        ...     (folder / "run").touch()
    """
    try:
        with TemporaryDirectory(prefix="ir_eval.") as folder:
            yield Path(folder)
    except OSError as error:
        raise InputError(
            f"{error.filename or 'temporary folder'}: cannot be written ({error.strerror}); {SCRATCH_REMEDY}"
        ) from error


def open_retriever(kind: str, collection: Collection, /, **options: Any) -> Retriever:
    """Make a first stage from its kind and options, as an experiment file gives them.

    Args:
        kind: ``bm25`` or ``dense``.
        collection: Documents to search.
        **options: Options of the class: [ir_eval.retrieval.bm25.BM25][] or [ir_eval.retrieval.dense.Dense][].

    Raises:
        InputError: The kind or an option does not exist, an option is missing, or an option has a wrong value.

    Examples:
        >>> from ir_eval import open_collection
        >>> collection = open_collection("collection")
        >>> open_retriever("bm25", collection, k1=0.82, b=0.68).search(collection.topics)["q1"][0].tolist()
        ['d1']
    """
    if not isinstance(kind, str) or kind not in _CLASSES:
        raise InputError(f"first stage {shown(kind)}; expected {' or '.join(_CLASSES)}")
    make: Callable[..., Retriever] = resolve_name(_CLASSES[kind])
    signature = inspect.signature(make)
    try:
        if taken := [name for name in list(signature.parameters)[:1] if name in options]:
            raise TypeError(f"got an unexpected keyword argument {taken[0]!r}")
        signature.bind(collection, **options)
    except TypeError as error:
        known = ", ".join(list(signature.parameters)[1:])
        raise InputError(f"first stage {kind}: {error}; its options are {known}") from None
    return make(collection, **options)


def without_queries(run: Run, depth: int | None = None) -> Run:
    """Leave out of each ranking the document whose id is the query's, and keep the first ``depth`` of the others.

    In collections such as ArguAna and Quora the queries are documents of the collection, and each finds itself first.

    Raises:
        InputError: No document is left.

    Examples:
        >>> run = Run.from_dict({"d1": {"d1": 2.0, "d2": 1.0}, "d2": {"d1": 1.0}})
        >>> without_queries(run).to_dict()
        {'d1': {'d2': 1.0}, 'd2': {'d1': 1.0}}
    """
    others = as_strings(run.docs) != run.query_ids[run.codes]
    if not others.any():
        raise InputError(f"{run.name}: every query finds only itself; expected other documents; retrieve more")
    left = Run.from_columns(run.query_ids[run.codes][others], run.doc_ids[others], run.scores[others], name=run.name)
    return left if depth is None else left.top(depth)
