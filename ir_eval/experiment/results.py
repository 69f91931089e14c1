"""What an experiment found, as a value and as a folder that other commands read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ir_eval.cache import file_key
from ir_eval.collections import Collection, open_collection
from ir_eval.data.files import atomic_write
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import Comparison
from ir_eval.evaluation.evaluate import Evaluation, evaluate
from ir_eval.evaluation.holes import hole_rates
from ir_eval.experiment.config import Experiment
from ir_eval.experiment.experiment_file import parse_experiment
from ir_eval.experiment.systems import Rerank

FILE = "results.json"
HOLES = "judged@10"  # what the share of unjudged documents is taken of


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes:
        run: Its ranking, by whose name it is called.
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
class Outcome:
    """What was found on one collection.

    Attributes:
        collection: The collection, with judgements.
        folder: Its own, inside the folder of the results.
        systems: In the experiment's order.
        texts: Whether the documents are on this machine: a large collection is not downloaded only to be shown.
    """

    collection: Collection
    folder: str
    systems: tuple[System, ...]
    texts: bool = True

    @property
    def qrels(self) -> Qrels:
        """The judgements.

        Raises:
            InputError: The collection has none.
        """
        return self.collection.judgements()

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """System to evaluation."""
        return {system.run.name: system.evaluation for system in self.systems}

    @property
    def holes(self) -> dict[str, dict[str, float]]:
        """System to the share of its first documents that nobody judged."""
        return {system.run.name: hole_rates(self.qrels, system.run, [HOLES]) for system in self.systems}


@dataclass(frozen=True)
class Results:
    """What an experiment found, a collection after the other.

    Attributes:
        experiment: What was run.
        outcomes: In the order of its collections.
        origin: Tuned weights, versions, commit and a key of this package's code.
    """

    experiment: Experiment
    outcomes: tuple[Outcome, ...]
    origin: Mapping[str, Any]

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Of every system with the baseline, by the outcome's folder; of a system alone there is none."""
        experiment = self.experiment
        return {
            outcome.folder: compare(
                outcome.evaluations,
                [experiment.baseline],
                holes=outcome.holes,
                correction=experiment.correction,
                seed=experiment.seed,
            )
            for outcome in self.outcomes
            if len(outcome.systems) > 1
        }

    def without_texts(self) -> "Results":
        """Return the same without the collections' texts, for a page to publish whatever their licence."""
        outcomes = (
            replace(outcome, collection=replace(outcome.collection, topics=dict.fromkeys(topics, "")), texts=False)
            for outcome in self.outcomes
            for topics in [outcome.collection.topics]
        )
        return replace(self, outcomes=tuple(outcomes))

    def label(self, system: str) -> str:
        """Return a system's name behind that of the one it reranks: ``bm25 → model``."""
        config = self.experiment.systems[system]
        return f"{self.label(config.first)} → {system}" if isinstance(config, Rerank) else system


def write_results(results: Results, folder: Path) -> None:
    """Write ``results.json``: measures, and all they come from. The runs and judgements beside it are there already."""
    found = {
        "experiment": results.experiment.to_dict(),
        "collections": [_outcome(outcome, folder) for outcome in results.outcomes],
        **results.origin,
    }
    with atomic_write(folder / FILE) as file:
        json.dump(found, file, indent=2, ensure_ascii=False)
        file.write("\n")


def _outcome(outcome: Outcome, folder: Path) -> dict[str, Any]:
    return {
        "name": outcome.collection.name,
        "split": outcome.collection.split,
        "folder": outcome.folder,
        "qrels": f"{outcome.folder}/qrels.txt",
        "topics": len(outcome.collection.topics),
        "fingerprint": outcome.collection.fingerprint if outcome.texts else None,
        "systems": [
            {
                "name": system.run.name,
                "run": f"{outcome.folder}/{system.run.name}.trec",
                "sha256": file_key(folder / outcome.folder / f"{system.run.name}.trec"),
                "measures": system.evaluation.means,
                "seconds": system.seconds,
            }
            for system in outcome.systems
        ],
    }


def read_results(folder: str | Path) -> Results:
    """Read what an experiment wrote: its collections are opened again, its runs measured again.

    Raises:
        InputError: There is no whole ``results.json``, a run was changed since, or a collection is gone or changed.
    """
    folder = Path(folder)
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        experiment, places = parse_experiment(found.pop("experiment")), found.pop("collections")
        outcomes = tuple(_read(folder, experiment, index, place) for index, place in enumerate(places))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no results ({error!r}); expected what ir-eval run wrote there; run it") from error
    return Results(experiment, outcomes, found)


def _read(folder: Path, experiment: Experiment, index: int, place: Mapping[str, Any]) -> Outcome:
    name, split, measures = experiment.collections[index]
    collection = open_collection(name, split=split)
    if place["fingerprint"] is not None and collection.fingerprint != place["fingerprint"]:
        raise InputError(f"{name} is not what it was; expected the documents of these results; run it again")
    systems = []
    for row in place["systems"]:
        file = folder / row["run"]
        if not file.is_file() or file_key(file) != row["sha256"]:
            raise InputError(f"{row['run']} is missing or was changed; expected it as written; run it again")
        run = Run.read(file, name=row["name"])
        evaluation = evaluate(collection.judgements(), run, measures or experiment.measures)
        systems.append(System(run, evaluation, row["seconds"]))
    return Outcome(collection, place["folder"], tuple(systems), texts=place["fingerprint"] is not None)
