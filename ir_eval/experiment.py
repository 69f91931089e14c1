"""Topics → first stage → rerankers → evaluation: the main job."""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from gemma_st.models import locate
from ir_eval.collections import Collection, open_collection
from ir_eval.errors import InputError
from ir_eval.evaluate import Evaluation, evaluate
from ir_eval.files import atomic_write
from ir_eval.measures import parse_measure
from ir_eval.rerank import load_reranker, rerank
from ir_eval.run import Run

MEASURES = ("ndcg@10", "mrr@10", "recall@100")
HITS = 1000  # of the first stage, the field's standard
PACKAGES = ("gemma-encoder", "torch", "transformers", "sentence-transformers", "pyserini", "ranx", "ir-datasets")


@dataclass(frozen=True)
class Experiment:
    """What is run.

    Attributes:
        collection: A folder, an ir_datasets id, or ``python-docs``.
        split: Which judgements of a BEIR folder.
        first_stage: ``bm25``, or the file of a TREC run.
        rerankers: Models, each reranking the first stage.
        depth: How many documents of each query are reranked.
        measures: See [ir_eval.measures.parse_measure][].

    Raises:
        InputError: A measure does not exist, or ``depth`` is below 1.
        gemma_st.errors.ModelError: A name can be no model's.
    """

    collection: str = "python-docs"
    split: str | None = None
    first_stage: str = "bm25"
    rerankers: tuple[str, ...] = ()
    depth: int = 100
    measures: tuple[str, ...] = MEASURES

    def __post_init__(self) -> None:
        """Check what would otherwise fail only after long work."""
        if self.depth < 1:
            raise InputError(f"depth {self.depth}; expected at least 1 document to rerank")
        for measure in self.measures:
            parse_measure(measure)
        for model in self.rerankers:
            locate(model)


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes:
        run: Its ranking.
        evaluation: Its measures.
        seconds: From topics to ranking, without loading and indexing; a given run's own time is not known.
    """

    run: Run
    evaluation: Evaluation
    seconds: float | None

    @property
    def queries_per_second(self) -> float | None:
        """How many topics were answered in a second, if the time is known."""
        return len(self.run) / self.seconds if self.seconds else None


@dataclass(frozen=True)
class Results:
    """What an experiment found: the first stage, then the rerankers."""

    experiment: Experiment
    collection: Collection
    systems: list[System]

    def write(self, folder: str | Path) -> None:
        """Write ``NAME.trec`` of every system, then ``results.json``; a given run that lies there already stays.

        Args:
            folder: Made if it is not there.

        Raises:
            InputError: It cannot be written.
        """
        folder = Path(folder)
        given = Path(self.experiment.first_stage).resolve()
        for system in self.systems:
            path = folder / f"{system.run.name}.trec"
            if path.resolve() != given:
                system.run.write(path)
        with atomic_write(folder / "results.json") as file:
            json.dump(self.to_dict(), file, indent=2, ensure_ascii=False)
            file.write("\n")

    def to_dict(self) -> dict[str, Any]:
        """Return the measures and where they come from, as plain data."""
        return {
            "experiment": asdict(self.experiment),
            "collection": {
                "name": self.collection.name,
                "split": self.collection.split,
                "topics": len(self.collection.topics),
                "fingerprint": self.collection.fingerprint,
            },
            "systems": [
                {
                    "name": system.run.name,
                    "run": f"{system.run.name}.trec",
                    "measures": system.evaluation.means,
                    "queries_per_second": system.queries_per_second,
                }
                for system in self.systems
            ],
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        }


def run_experiment(experiment: Experiment) -> Results:
    """Run the first stage and the rerankers over one collection, and evaluate them all.

    Args:
        experiment: What to run.

    Raises:
        InputError: The collection has no judgements, or something given cannot be used.
        gemma_st.errors.ModelError: There is no such model.
    """
    collection = open_collection(experiment.collection, split=experiment.split)
    if collection.qrels is None:
        raise InputError(f"{collection.name}: no judgements to evaluate with; expected qrels beside the queries")
    first, seconds = _first_stage(experiment, collection)
    systems = [System(first, evaluate(collection.qrels, first, experiment.measures), seconds)]
    for name, model in _names(experiment).items():
        run, more = rerank(first, collection, load_reranker(model), depth=experiment.depth, name=name)
        evaluation = evaluate(collection.qrels, run, experiment.measures)
        systems.append(System(run, evaluation, (seconds or 0.0) + more))
    return Results(experiment, collection, systems)


def _first_stage(experiment: Experiment, collection: Collection) -> tuple[Run, float | None]:
    if experiment.first_stage != "bm25":
        return Run.read(experiment.first_stage, name=_short_name(experiment.first_stage)), None
    from ir_eval.first_stage.bm25 import BM25

    bm25 = BM25(collection)
    bm25.prepare()
    return bm25.retrieve(collection.topics, k=max(HITS, experiment.depth))


def _names(experiment: Experiment) -> dict[str, str]:
    """Give every model a short name of its own, which its run and its file are called by."""
    taken = {_short_name(experiment.first_stage)}
    names: dict[str, str] = {}
    for model in experiment.rerankers:
        short = _short_name(model)
        name = next(name for n in count(1) if (name := short if n == 1 else f"{short}-{n}") not in taken)
        taken.add(name)
        names[name] = model
    return names


def _short_name(name: str) -> str:
    """Return the last part of a path or a hub id, without ``.trec``."""
    return Path(name).resolve().name.removesuffix(".gz").removesuffix(".trec")
