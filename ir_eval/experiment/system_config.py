"""What every system of an experiment has in common, and the names of the collections that it runs on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ir_eval.collections import Collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError, check_kind
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment.loaded_models import LoadedModels

# The run of a system, and its time in seconds from topics to ranking, with the time of the systems that it is made of
# and without loading and indexing; None if unknown, as for a run file.
RunAndTime = tuple[Run, float | None]
Made = Mapping[str, RunAndTime]  # by system


@dataclass(frozen=True)
class CollectionName:
    """A collection, by name, and the judgements and measures that an experiment uses there.

    Attributes:
        name: Folder, ir_datasets id, or ``python-docs``.
        split: Name of the judgements of a BEIR folder, such as ``dev``.
        measures: Measures on this collection; if empty, the measures of the experiment.

    Examples:
        >>> CollectionName("collection", "test", measures=("map",)).to_dict()
        {'name': 'collection', 'split': 'test', 'measures': ['map']}
    """

    __pydantic_config__ = {"extra": "forbid"}  # an unknown key in a file is an error

    name: str
    split: str | None = None
    measures: tuple[str, ...] = ()

    def check(self) -> None:
        """Check the name, the split and the measures."""
        check_kind("collection", self.name, str)
        if not self.name or "\0" in self.name:
            raise InputError(f"collection {self.name!r}; expected a folder, an ir_datasets id or python-docs; name it")
        if self.split is not None:
            check_kind("split", self.split, str)
        check_kind("measures", self.measures, list, tuple)
        for measure in self.measures:
            parse_measure(measure)

    def to_dict(self) -> dict[str, Any]:
        """Return the table that stands for this collection in an experiment's file."""
        own = {"split": self.split, "measures": list(self.measures)}
        return {"name": self.name, **{key: value for key, value in own.items() if value}}


class SystemConfig(ABC):
    """A system of an experiment: how its run on a collection is made.

    Examples:
        >>> from ir_eval.experiment import Rerank, Retrieve
        >>> [system.inputs for system in (Retrieve("bm25"), Rerank("bm25", "reranker"))]
        [(), ('bm25',)]
    """

    __pydantic_config__ = {"extra": "forbid"}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the systems that this one is made of."""
        return ()

    @property
    def reads_documents(self) -> bool:
        """Whether the system reads the documents of the collection, so that they are on this machine afterwards."""
        return False

    def check(self) -> None:
        """Check, before any work, the options that do not depend on a collection."""
        return None

    def check_for(self, collection: Collection) -> None:
        """Check, before any work, the options and files for one collection."""
        return None

    def load(self, collection: Collection, models: LoadedModels) -> None:
        """Load, before any work, what making the run needs, and check it."""
        return None

    @abstractmethod
    def make(self, name: str, collection: Collection, *, made: Made, models: LoadedModels) -> RunAndTime:
        """Make the run, and measure its time.

        Args:
            name: Name of the system, and of its run.
            collection: Topics and documents.
            made: The runs of the systems above this one, on the same collection.
            models: The models that are loaded.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the table of this system in an experiment's file; fields that are None or false are left out."""
        return {key: value for key, value in vars(self).items() if value not in (None, False)}
