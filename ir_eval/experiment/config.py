"""What is run: collections, systems, measures."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ir_eval.errors import InputError
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment.systems import HITS, CollectionName, Given, Rerank, Retrieve, SystemConfig

MEASURES = ("ndcg@10", "mrr@10", "recall@100")


@dataclass(frozen=True)
class Experiment:
    """What is run: every system over every collection.

    Attributes:
        collections: Where.
        systems: Name to how it makes its run, from systems above it alone.
        measures: See [ir_eval.evaluation.measures.parse_measure][]. The first is the one that matters.
        baseline: The system that the others are compared with; by default the first.
        correction: For several systems against one baseline; see [ir_eval.evaluation.compare.compare][].
        seed: Of the tests that draw at random.

    Raises:
        InputError: There is no collection or system, a system is made of one that is not above it, the baseline is not
            among them, or a measure does not exist.
    """

    collections: tuple[CollectionName, ...]
    systems: Mapping[str, SystemConfig]
    measures: tuple[str, ...] = MEASURES
    baseline: str = ""
    correction: str = "holm"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be known without opening a collection."""
        for name, value in (("collections", self.collections), ("systems", self.systems), ("measures", self.measures)):
            if not value:
                raise InputError(f"an experiment without {name}; expected at least one; name it")
        for measure in [*self.measures, *(text for place in self.collections for text in place.measures)]:
            parse_measure(measure)
        above: list[str] = []
        for name, system in self.systems.items():
            if not name or set(name) & set("/\\\0") or name.startswith("."):
                raise InputError(f"system {name!r}; expected a name that a file may have; rename it")
            for part in system.inputs:
                if part not in above:
                    expected = f"one of {', '.join(above)}" if above else "a first stage"
                    raise InputError(f"system {name!r} is made of {part!r}, which is not above it; expected {expected}")
            above.append(name)
        object.__setattr__(self, "baseline", self.baseline or above[0])
        if self.baseline not in self.systems:
            raise InputError(f"baseline {self.baseline!r}; expected one of {', '.join(above)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as its file says it, with every default filled in."""
        return {
            "collections": [place.to_dict() for place in self.collections],
            "measures": list(self.measures),
            "baseline": self.baseline,
            "correction": self.correction,
            "seed": self.seed,
            "systems": {name: system.to_dict() for name, system in self.systems.items()},
        }


def single(
    collection: str,
    split: str | None = None,
    *,
    first_stage: str = "bm25",
    rerankers: tuple[str, ...] = (),
    depth: int = 100,
    measures: tuple[str, ...] = MEASURES,
) -> Experiment:
    """Return the experiment of one collection, one first stage and rerankers of it.

    Args:
        collection: A folder, an ir_datasets id, or ``python-docs``.
        split: Which judgements of a BEIR folder.
        first_stage: ``bm25``, or the file of a TREC run.
        rerankers: Models; each system is called by the end of its model's name.
        depth: How many documents of each query are reranked.
        measures: See [ir_eval.evaluation.measures.parse_measure][].
    """
    first = _short_name(first_stage)
    systems: dict[str, SystemConfig] = {
        first: Retrieve("bm25", hits=max(HITS, depth)) if first_stage == "bm25" else Given(first_stage)
    }
    for model in rerankers:
        systems[unused(_short_name(model), systems)] = Rerank(first, model, depth)
    return Experiment((CollectionName(collection, split),), systems, measures)


def unused(name: str, taken: Container[str]) -> str:
    """Return a name that is not taken: itself, or with ``-2``, ``-3`` and so on behind it."""
    return next(other for n in count(1) if (other := name if n == 1 else f"{name}-{n}") not in taken)


def _short_name(name: str) -> str:
    """Return the last part of a path or a hub id, without ``.trec``."""
    return Path(name).resolve().name.removesuffix(".gz").removesuffix(".trec")
