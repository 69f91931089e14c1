"""The four kinds of system; the fields of each are the keys of its table ``[systems.NAME]`` in an experiment's file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from gemma_st.files import is_file
from gemma_st.names import locate
from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import MAX_COUNT, InputError, check_count, check_kind, shorten
from ir_eval.experiment.loaded_models import LoadedModels
from ir_eval.experiment.system_config import CollectionName, Made, RunAndTime, SystemConfig
from ir_eval.pipeline.fusion import check_fusion, fuse
from ir_eval.pipeline.rerank import rerank
from ir_eval.retrieval import open_retriever
from ir_eval.retrieval.retriever import without_queries

DEFAULT_HITS = 1000  # the usual depth of a first stage in IR evaluation


@dataclass(frozen=True)
class Retrieve(SystemConfig):
    """A first stage that searches the documents of the collection.

    Attributes:
        retrieve: ``bm25`` or ``dense``; see [ir_eval.retrieval.open_retriever][].
        hits: Largest number of documents retrieved for a topic.
        options: Options of that retriever, such as ``k1``.
        exclude_query: Whether to leave out the document whose id is the topic's, as BEIR does for ArguAna and Quora;
            one more document is retrieved in its place.

    Examples:
        >>> Retrieve("bm25", 100, {"k1": 0.82}).to_dict()
        {'retrieve': 'bm25', 'hits': 100, 'k1': 0.82}
    """

    retrieve: str
    hits: int = DEFAULT_HITS
    options: Mapping[str, Any] = field(default_factory=dict)
    exclude_query: bool = False

    @property
    def reads_documents(self) -> bool:
        """True, unless BM25 searches an index that was given."""
        return "index" not in self.options or self.retrieve == "dense"

    def check(self) -> None:
        """Check ``hits``."""
        check_count("hits", self.hits)
        check_kind("exclude_query", self.exclude_query, bool)

    def check_for(self, collection: Collection) -> None:
        """Check that the retriever takes these options."""
        open_retriever(self.retrieve, collection, **self.options)

    def load(self, collection: Collection, models: LoadedModels) -> None:
        """Load the model of a dense first stage, and look for an index that was given."""
        models.retriever(self.retrieve, collection, self.options)

    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Search; building the index is not counted in the time."""
        retriever = models.retriever(self.retrieve, collection, self.options)
        run, seconds = retriever.retrieve(collection.topics, self.hits + self.exclude_query)
        run = without_queries(run, self.hits) if self.exclude_query else run
        return replace(run, name=name), seconds

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"retrieve": …, "hits": …}`` and the options."""
        options = {key: value for key, value in self.options.items() if value is not None}
        own = {"exclude_query": True} if self.exclude_query else {}
        return {"retrieve": self.retrieve, "hits": self.hits, **own, **options}


@dataclass(frozen=True)
class Given(SystemConfig):
    """A TREC run file.

    Attributes:
        run: Path of the file; ``{collection}`` in it stands for the collection's name.
        exclude_query: As for `Retrieve`; the file is left as it is.

    Examples:
        >>> from ir_eval.collections import open_collection
        >>> Given("{collection}.trec").path(open_collection("collection")).name
        'collection.trec'
    """

    run: str
    exclude_query: bool = False

    def check_for(self, collection: Collection) -> None:
        """Check that the file is there."""
        path = self.path(collection)
        if not is_file(path):
            missing = f"{shorten(str(path))}: no such file"
            raise InputError(f"{missing}; expected the TREC run of {collection.name}; check the path")

    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Read the file; its time is unknown."""
        run = Run.read(self.path(collection), name=name)
        return without_queries(run) if self.exclude_query else run, None

    def path(self, collection: Collection) -> Path:
        """Return the path of the run of a collection."""
        return Path(self.run.replace("{collection}", collection.name)).expanduser()


@dataclass(frozen=True)
class Fuse(SystemConfig):
    """A fusion of other systems' runs; see [ir_eval.pipeline.fusion.fuse][].

    Attributes:
        fuse: Names of the systems.
        method: ``rrf`` or ``sum``.
        normalisation: Normalisation of each query's scores before a sum.
        weights: Weight of each run in a sum; if None, all are 1.
        tune_on: Development collection on which the weights are tuned for the experiment's first measure.

    Examples:
        >>> Fuse(("bm25", "dense"), "sum", weights=(0.3, 0.7)).to_dict()
        {'fuse': ['bm25', 'dense'], 'method': 'sum', 'weights': [0.3, 0.7]}
    """

    fuse: tuple[str, ...]
    method: str = "rrf"
    normalisation: str | None = None
    weights: tuple[float, ...] | None = None
    tune_on: CollectionName | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the fused systems."""
        return self.fuse

    def check(self) -> None:
        """Check the method, the normalisation and the weights."""
        if self.tune_on and (self.weights or self.method != "sum"):
            raise InputError(
                f"tune_on with method = {self.method!r}, weights = {self.weights}; "
                "expected method = 'sum' and no weights, which are tuned; remove one of them"
            )
        check_fusion(len(self.fuse), self.method, normalisation=self.normalisation, weights=self.weights)

    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Fuse the runs; the time includes the time of each."""
        runs, seconds = zip(*(made[part] for part in self.fuse), strict=True)
        start = perf_counter()
        run = fuse(runs, self.method, normalisation=self.normalisation, weights=self.weights, name=name)
        return run, None if None in seconds else sum(seconds) + perf_counter() - start

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"fuse": […], …}`` without the options that are not used."""
        lists = {"fuse": list(self.fuse), "weights": self.weights and list(self.weights)}
        table = super().to_dict() | lists | {"tune_on": self.tune_on and self.tune_on.to_dict()}
        return {key: value for key, value in table.items() if value}


@dataclass(frozen=True)
class Rerank(SystemConfig):
    """Another system's top documents, ordered by the scores of a model.

    Attributes:
        rerank: Name of the reranked system.
        model: Directory, packaged model or hub id.
        depth: Number of documents scored for each topic; the others are dropped.
        exclude_query: As for `Retrieve`; the document is left out before the ``depth`` is counted.

    Examples:
        >>> Rerank("bm25", "reranker", depth=20).to_dict()
        {'rerank': 'bm25', 'model': 'reranker', 'depth': 20}
    """

    rerank: str
    model: str
    depth: int = 100
    exclude_query: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The name of the reranked system."""
        return (self.rerank,)

    @property
    def reads_documents(self) -> bool:
        """True: the model reads the documents that it scores."""
        return True

    def check(self) -> None:
        """Check the depth and the model's name."""
        check_count("depth", self.depth, least=-MAX_COUNT)
        if self.depth < 1:
            raise InputError(f"depth {self.depth}; expected at least 1 document to rerank")
        check_kind("model", self.model, str)
        locate(self.model)

    def load(self, collection: Collection, models: LoadedModels) -> None:
        """Load the model, and score a pair."""
        models.reranker(self.model)

    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Rerank; if the first stage's time is unknown, the time is that of the model alone."""
        first, earlier = made[self.rerank]
        first = without_queries(first) if self.exclude_query else first
        run, seconds = rerank(first, collection, models.reranker(self.model), depth=self.depth, name=name)
        return run, (earlier or 0.0) + seconds
