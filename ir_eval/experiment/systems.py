"""The four ways a system makes its run: it retrieves, is given, fuses others, or reranks another."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gemma_st.names import locate
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.pipeline.rerank import load_reranker, rerank

if TYPE_CHECKING:
    from ir_eval.retrieval import Retriever

HITS = 1000  # of a first stage, the field's standard


class CollectionName(NamedTuple):
    """A collection of an experiment.

    Attributes:
        name: A folder, an ir_datasets id, or ``python-docs``.
        split: Which judgements of a BEIR folder.
        measures: Its own, in place of the experiment's.
    """

    name: str
    split: str | None = None
    measures: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the table of the experiment's file that says this."""
        own = {"split": self.split, "measures": list(self.measures)}
        return {"name": self.name, **{field: value for field, value in own.items() if value}}


class Made(NamedTuple):
    """What a system made of a collection's topics.

    Attributes:
        run: Its ranking.
        seconds: From topics to ranking, without loading and indexing, what it is made of included; None if that is not
            known, as of a given run.
    """

    run: Run
    seconds: float | None


class SystemConfig(Protocol):
    """How a system makes its run, whatever the collection."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the systems it is made of."""
        return ()

    @property
    def reads_documents(self) -> bool:
        """Whether it reads the collection's documents, which then are on this machine."""
        return False

    def check(self) -> None:
        """Refuse, before any work, what could work on no collection.

        Raises:
            InputError: An option is wrong.
            gemma_st.errors.ModelError: A name can be no model's.
        """
        return None

    def check_for(self, collection: Collection) -> None:
        """Refuse, before long work, what could not work on this collection.

        Raises:
            InputError: A file is missing, or an option is wrong.
        """
        return None

    @abstractmethod
    def make(self, name: str, collection: Collection, made: Mapping[str, Made]) -> Made:
        """Make the run.

        Args:
            name: Of the system, and so of its run.
            collection: Topics and documents.
            made: What its inputs made of the same collection.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the table of the experiment's file that says this."""


@dataclass(frozen=True)
class Retrieve(SystemConfig):
    """A first stage over the collection's documents.

    Attributes:
        kind: ``bm25`` or ``dense``; see [ir_eval.retrieval.open_retriever][].
        hits: How many documents of each topic it returns at most.
        options: Of that kind.
    """

    kind: str
    hits: int = HITS
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads_documents(self) -> bool:
        """All of them, unless an index is given."""
        return "index" not in self.options or self.kind == "dense"

    def check(self) -> None:
        """Refuse to find nothing."""
        if self.hits < 1:
            raise InputError(f"hits {self.hits}; expected at least 1 document a topic")

    def check_for(self, collection: Collection) -> None:
        """Refuse an option that the kind does not take."""
        self._open(collection)

    def make(self, name: str, collection: Collection, made: Mapping[str, Made]) -> Made:
        """Search; what is built first, once, is not counted."""
        run, seconds = self._open(collection).retrieve(collection.topics, self.hits)
        return Made(replace(run, name=name), seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"retrieve": kind, …}``."""
        return {"retrieve": self.kind, "hits": self.hits, **self.options}

    def _open(self, collection: Collection) -> "Retriever":
        from ir_eval.retrieval import open_retriever

        return open_retriever(self.kind, collection, **self.options)


@dataclass(frozen=True)
class Given(SystemConfig):
    """A TREC run file.

    Attributes:
        file: Its path; ``{collection}`` in it stands for the collection's name.
    """

    file: str

    def check_for(self, collection: Collection) -> None:
        """Refuse a file that is not there."""
        path = self.path(collection)
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected the TREC run of {collection.name}; check the path")

    def make(self, name: str, collection: Collection, made: Mapping[str, Made]) -> Made:
        """Read it."""
        return Made(Run.read(self.path(collection), name=name), None)

    def path(self, collection: Collection) -> Path:
        """Return the file for a collection."""
        return Path(self.file.replace("{collection}", collection.name)).expanduser()

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"run": file}``."""
        return {"run": self.file}


@dataclass(frozen=True)
class Fuse(SystemConfig):
    """Several systems' runs made one; see [ir_eval.pipeline.fusion.fuse][].

    Attributes:
        parts: The systems.
        method: ``rrf`` or ``sum``.
        normalisation: Of each query's scores before a sum.
        weights: Of each run in a sum; all 1 if not given.
        tune_on: The development collection that the weights are tuned on, for the experiment's first measure.
        tuned: The weights that were found there; no file says them.
    """

    parts: tuple[str, ...]
    method: str = "rrf"
    normalisation: str | None = None
    weights: tuple[float, ...] | None = None
    tune_on: CollectionName | None = None
    tuned: tuple[float, ...] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The systems."""
        return self.parts

    def check(self) -> None:
        """Refuse a method or weights that could fuse no runs."""
        from ir_eval.pipeline.fusion import check_fusion

        if self.tune_on and (self.weights or self.method != "sum"):
            raise InputError(f"tune_on with {self.method} or weights; expected a sum without; take one of them out")
        check_fusion(len(self.parts), self.method, normalisation=self.normalisation, weights=self.weights)

    def make(self, name: str, collection: Collection, made: Mapping[str, Made]) -> Made:
        """Fuse; the time is that of all of them."""
        from ir_eval.pipeline.fusion import fuse

        parts = [made[part] for part in self.parts]
        start = perf_counter()
        runs = [part.run for part in parts]
        run = fuse(runs, self.method, normalisation=self.normalisation, weights=self.tuned or self.weights, name=name)
        seconds = [part.seconds for part in parts]
        known = None if None in seconds else sum(filter(None, seconds)) + perf_counter() - start
        return Made(run, known)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"fuse": parts, …}``."""
        options: dict[str, Any] = {"fuse": list(self.parts), "method": self.method, "normalisation": self.normalisation}
        options["weights"] = self.weights and list(self.weights)
        options["tune_on"] = self.tune_on and self.tune_on.to_dict()
        return {name: value for name, value in options.items() if value}


@dataclass(frozen=True)
class Rerank(SystemConfig):
    """Another system's first documents, ordered by a model.

    Attributes:
        first: The system.
        model: A directory, packaged model or hub id.
        depth: How many documents of each topic are scored; the rest is dropped.
    """

    first: str
    model: str
    depth: int = 100

    @property
    def inputs(self) -> tuple[str, ...]:
        """The system that is reranked."""
        return (self.first,)

    @property
    def reads_documents(self) -> bool:
        """Those that it scores."""
        return True

    def check(self) -> None:
        """Refuse a depth of nothing, and a name that can be no model's."""
        if self.depth < 1:
            raise InputError(f"depth {self.depth}; expected at least 1 document to rerank")
        locate(self.model)

    def make(self, name: str, collection: Collection, made: Mapping[str, Made]) -> Made:
        """Rerank; a first stage whose time is not known counts nothing."""
        first = made[self.first]
        run, seconds = rerank(first.run, collection, load_reranker(self.model), depth=self.depth, name=name)
        return Made(run, (first.seconds or 0.0) + seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"rerank": first, "model": …, "depth": …}``."""
        return {"rerank": self.first, "model": self.model, "depth": self.depth}
