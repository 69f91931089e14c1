"""The description of an experiment: collections, systems, measures and tests."""

import os
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import tomli_w

from ir_eval.errors import MAX_COUNT, InputError, check_kind, shorten, shown
from ir_eval.evaluation.comparison import Method
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment.system_config import CollectionName, SystemConfig
from ir_eval.experiment.systems import DEFAULT_HITS, Given, Rerank, Retrieve

DEFAULT_MEASURES = ("ndcg@10", "mrr@10", "recall@100")
MAX_NAME_BYTES = 200  # file systems allow 255, with the ending and a temporary part


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
        """Check the names of collections, systems, inputs, baseline and measures, the correction and the seed."""
        kinds = {"collections": (list, tuple), "systems": (Mapping,), "measures": (list, tuple), "baseline": (str,)}
        for key, kind in kinds.items():
            check_kind(key, getattr(self, key), *kind)
            if not getattr(self, key) and key != "baseline":
                raise InputError(f"no {key}; expected at least one; add it to {key}")
        for place in self.collections:
            check_kind("collection", place, CollectionName)
            place.check()
        for measure in self.measures:
            parse_measure(measure)
        Method(correction=self.correction, seed=self.seed)
        self._check_systems()
        first = next(iter(self.systems))
        object.__setattr__(self, "baseline", self.baseline or first)
        if self.baseline not in self.systems:
            known = shorten(", ".join(self.systems))
            raise InputError(f"baseline {shown(self.baseline)}; expected one of {known}")

    def _check_systems(self) -> None:
        above: list[str] = []
        for name, system in self.systems.items():
            if fault := name_fault(name):
                raise InputError(f"system {fault}; rename it")
            check_kind(f"system {name}", system, SystemConfig)
            for part in system.inputs:
                if part not in above:
                    expected = f"one of {shorten(', '.join(above))}" if above else "a first stage"
                    raise InputError(f"system {name!r} uses {shown(part)}, which is not above it; expected {expected}")
            above.append(name)

    def measures_on(self, place: CollectionName) -> list[str]:
        """Return the measures on a collection, in the spelling of results."""
        return list(dict.fromkeys(str(parse_measure(measure)) for measure in place.measures or self.measures))

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
    exclude_query: bool = False,
) -> Experiment:
    """Return an experiment on one collection: a first stage, and rerankers of it.

    Args:
        collection: Folder, ir_datasets id, or ``python-docs``.
        split: Name of the judgements of a BEIR folder.
        first_stage: ``bm25``, or the path of a TREC run file.
        rerankers: Models; the last part of a model's name is the name of its system.
        depth: Number of documents reranked for each topic.
        measures: Names of measures; see [ir_eval.evaluation.measures.parse_measure][].
        exclude_query: Whether every system leaves out the document whose id is the topic's.

    Examples:
        >>> list(single("collection", first_stage="bm25.trec", rerankers=("reranker",)).systems)
        ['bm25', 'reranker']
    """
    check_kind("rerankers", rerankers, list, tuple)
    first = _short_name(first_stage)
    hits = depth if isinstance(depth, int) and DEFAULT_HITS < depth <= MAX_COUNT else DEFAULT_HITS
    if first_stage == "bm25":
        start: SystemConfig = Retrieve("bm25", hits, exclude_query=exclude_query)
    else:
        start = Given(first_stage, exclude_query)
    systems: dict[str, SystemConfig] = {first: start}
    for model in rerankers:
        systems[unused(_short_name(model), systems)] = Rerank(first, model, depth)
    return Experiment((CollectionName(collection, split),), systems, measures)


def name_fault(name: str) -> str:
    """Return why no file can have the name of a system, or "".

    Examples:
        >>> name_fault("bm25"), name_fault("a/b")
        ('', "'a/b'; expected a name that a file may have")
    """
    check_kind("name of a system", name, str)
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_NAME_BYTES:
        return f"{shown(name)} of {size:,} bytes; expected at most {MAX_NAME_BYTES}"
    plain = name.strip() == name and name.isprintable() and not set(name) & set("/\\")
    return "" if name and plain and not name.startswith(".") else f"{shown(name)}; expected a name that a file may have"


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
    check_kind("name of a model or run", name, str)
    if not name or "\0" in name:
        raise InputError(f"name {shown(name)} of a model or run; expected a path or an id")
    return Path(os.path.realpath(name)).name.removesuffix(".gz").removesuffix(".trec")
