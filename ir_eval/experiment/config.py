"""The description of an experiment: collections, systems, measures and tests."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import tomli_w

from ir_eval.errors import InputError
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment.system_config import CollectionName, SystemConfig
from ir_eval.experiment.systems import DEFAULT_HITS, Given, Rerank, Retrieve

DEFAULT_MEASURES = ("ndcg@10", "mrr@10", "recall@100")


@dataclass(frozen=True)
class Experiment:
    """Systems that run on collections and are measured and compared there.

    Attributes:
        collections: Collections, each with all systems.
        systems: System by name; a system may use those above it.
        measures: Names of measures; see [ir_eval.evaluation.measures.parse_measure][]. The first one ranks and tunes.
        baseline: Name of the system that the others are compared with; by default the first.
        correction: Correction for several comparisons; see [ir_eval.evaluation.comparison.Method][].
        seed: Seed of the randomization test and of the bootstrap.

    Examples:
        >>> systems = {"bm25": Retrieve("bm25"), "reranked": Rerank("bm25", "reranker", depth=2)}
        >>> Experiment((CollectionName("collection"),), systems, measures=("ndcg@10",)).baseline
        'bm25'
    """

    collections: tuple[CollectionName, ...]
    systems: Mapping[str, SystemConfig]
    measures: tuple[str, ...] = DEFAULT_MEASURES
    baseline: str = ""
    correction: str = "holm"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the names of systems, inputs, baseline and measures."""
        for key in ("collections", "systems", "measures"):
            if not getattr(self, key):
                raise InputError(f"no {key}; expected at least one; add it to {key}")
        for measure in [*self.measures, *(name for place in self.collections for name in place.measures)]:
            parse_measure(measure)
        above: list[str] = []
        for name, system in self.systems.items():
            if not name or set(name) & set("/\\\0") or name.startswith("."):
                raise InputError(f"system {name!r}; expected a name that a file may have; rename it")
            for part in system.inputs:
                if part not in above:
                    expected = f"one of {', '.join(above)}" if above else "a first stage"
                    raise InputError(f"system {name!r} uses {part!r}, which is not above it; expected {expected}")
            above.append(name)
        object.__setattr__(self, "baseline", self.baseline or above[0])
        if self.baseline not in self.systems:
            raise InputError(f"baseline {self.baseline!r}; expected one of {', '.join(above)}")

    def with_inputs(self, system: str) -> list[str]:
        """Return the names of a system and of all systems that it is made of, each after those that it uses."""
        inputs = [name for own in self.systems[system].inputs for name in self.with_inputs(own)]
        return list(dict.fromkeys([*inputs, system]))

    def to_dict(self) -> dict[str, Any]:
        """Return the experiment as the table of its file, with every default filled in."""
        return {
            "collections": [place.to_dict() for place in self.collections],
            "measures": list(self.measures),
            "baseline": self.baseline,
            "correction": self.correction,
            "seed": self.seed,
            "systems": {name: system.to_dict() for name, system in self.systems.items()},
        }

    def to_toml(self) -> str:
        """Return the text of a TOML file from which `read_experiment` reads an equal experiment."""
        return tomli_w.dumps(self.to_dict())


def single(
    collection: str,
    split: str | None = None,
    *,
    first_stage: str = "bm25",
    rerankers: tuple[str, ...] = (),
    depth: int = 100,
    measures: tuple[str, ...] = DEFAULT_MEASURES,
) -> Experiment:
    """Return an experiment on one collection: a first stage, and rerankers of it.

    Args:
        collection: Folder, ir_datasets id, or ``python-docs``.
        split: Name of the judgements of a BEIR folder.
        first_stage: ``bm25``, or the path of a TREC run file.
        rerankers: Models; the last part of a model's name is the name of its system.
        depth: Number of documents reranked for each topic.
        measures: Names of measures; see [ir_eval.evaluation.measures.parse_measure][].

    Examples:
        >>> list(single("collection", first_stage="bm25.trec", rerankers=("reranker",)).systems)
        ['bm25', 'reranker']
    """
    first = _short_name(first_stage)
    start = Retrieve("bm25", hits=max(DEFAULT_HITS, depth)) if first_stage == "bm25" else Given(first_stage)
    systems: dict[str, SystemConfig] = {first: start}
    for model in rerankers:
        systems[unused(_short_name(model), systems)] = Rerank(first, model, depth)
    return Experiment((CollectionName(collection, split),), systems, measures)


def unused(name: str, taken: Container[str]) -> str:
    """Return a name that is not taken yet: ``name``, or else ``name-2``, ``name-3`` and so on.

    Examples:
        >>> unused("bm25", ["bm25"])
        'bm25-2'
    """
    numbered = (f"{name}-{number}" for number in count(2))
    return next(other for other in chain([name], numbered) if other not in taken)


def _short_name(name: str) -> str:
    """Return the last part of a path or a hub id, without ``.trec``."""
    return Path(name).resolve().name.removesuffix(".gz").removesuffix(".trec")
