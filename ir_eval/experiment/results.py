"""The results of an experiment, as an object and as the folder that ``ir-eval run --out`` writes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ir_eval.cache import file_key
from ir_eval.collections import Collection, open_collection
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_write
from ir_eval.errors import InputError
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.comparison import Comparison
from ir_eval.evaluation.evaluate import Evaluation, evaluate, hole_rates
from ir_eval.experiment.config import Experiment
from ir_eval.experiment.results_file import RESULTS_FILENAME, CollectionRecord, read_record
from ir_eval.experiment.system_config import CollectionName
from ir_eval.experiment.systems import Rerank

HOLES_MEASURE = "judged@10"  # the cutoff of the hole rates


@dataclass(frozen=True)
class SystemOutcome:
    """The outcome of one system on one collection.

    Attributes:
        run: Ranking; its name is the system's name.
        evaluation: Measures of the run.
        seconds: Time from topics to ranking, without loading and indexing; None if unknown, as for a run file.

    Examples:
        >>> qrels, run = Qrels.read("qrels.txt"), Run.read("bm25.trec")
        >>> SystemOutcome(run, evaluate(qrels, run, ["mrr"]), seconds=0.5).queries_per_second
        4.0
    """

    run: Run
    evaluation: Evaluation
    seconds: float | None

    @property
    def queries_per_second(self) -> float | None:
        """Number of topics answered in a second, if the time is known."""
        return len(self.run) / self.seconds if self.seconds else None


@dataclass(frozen=True)
class CollectionOutcome:
    """The outcome of all systems on one collection.

    Attributes:
        collection: Collection, with judgements.
        folder: Name of the collection's folder in the folder of the results.
        systems: Outcomes of the systems, in the experiment's order.
        texts: Whether the documents are on this machine. A report downloads no collection to show its texts.
        missing: Number of judged documents that the collection lacks, as far as known.
        own: Number of topics that are documents of the collection and find themselves.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> (outcome,) = run_experiment(single("collection", first_stage="bm25.trec")).outcomes
        >>> outcome.title, list(outcome.evaluations)
        ('collection (test)', ['bm25'])
    """

    collection: Collection
    folder: str
    systems: tuple[SystemOutcome, ...]
    texts: bool = True
    missing: int = 0
    own: int = 0

    @property
    def title(self) -> str:
        """The collection's name, with its split in brackets."""
        split = self.collection.split
        return f"{self.collection.name} ({split})" if split else self.collection.name

    @property
    def qrels(self) -> Qrels:
        """The judgements of the collection."""
        return self.collection.judgements()

    @property
    def notes(self) -> list[str]:
        """One line for missing judged documents, and for each system that misses judged queries or has others."""
        lacking = missing_note(self.qrels, self.missing)
        if self.own:
            lacking.append(
                f"{self.own} of {len(self.collection.topics)} topics are documents of the collection and find "
                "themselves; leave them out by exclude_query = true, or --exclude-query"
            )
        return lacking + [f"{name}: {note}" for name, found in self.evaluations.items() for note in found.notes]

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """Evaluation by system."""
        return {system.run.name: system.evaluation for system in self.systems}

    @property
    def holes(self) -> dict[str, dict[str, float]]:
        """Share of each system's top 10 documents that have no judgement, by system."""
        return {system.run.name: hole_rates(self.qrels, system.run, [HOLES_MEASURE]) for system in self.systems}


def missing_note(qrels: Qrels, missing: int) -> list[str]:
    """Return a line on the judged documents that a collection lacks, if there are any.

    Examples:
        >>> missing_note(Qrels.read("qrels.txt"), 1)
        ['1 of 3 judged documents are not in the collection']
    """
    judged = len(set(qrels.doc_ids.tolist()))
    return [f"{missing} of {judged} judged documents are not in the collection"] * (missing > 0)


@dataclass(frozen=True)
class Results:
    """The results of an experiment.

    Attributes:
        experiment: Experiment that was run.
        outcomes: Outcomes, in the order of the experiment's collections.
        origin: Tuned weights, package versions, commit, and a hash of this package's code.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> run_experiment(single("collection", first_stage="bm25.trec", rerankers=("reranker",))).label("reranker")
        'bm25 → reranker'
    """

    experiment: Experiment
    outcomes: tuple[CollectionOutcome, ...]
    origin: Mapping[str, Any]

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Comparison of all systems with the baseline, by folder; a single system has no comparison."""
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
        """Return the same results without the texts of topics and documents, which a licence may protect."""
        outcomes = []
        for outcome in self.outcomes:
            collection = replace(outcome.collection, topics=dict.fromkeys(outcome.collection.topics, ""))
            outcomes.append(replace(outcome, collection=collection, texts=False))
        return replace(self, outcomes=tuple(outcomes))

    def label(self, system: str) -> str:
        """Return a system's name after the name of the system that it reranks: ``bm25 → model``."""
        config = self.experiment.systems[system]
        return f"{self.label(config.rerank)} → {system}" if isinstance(config, Rerank) else system

    def write(self, folder: str | Path, given: str | Path | None = None) -> None:
        """Write ``results.json`` to a folder that holds the runs and judgements.

        The run files of the user are in the folder ``given``, if that is another one.
        """
        found = {
            "experiment": self.experiment.to_dict(),
            "collections": [_to_dict(outcome, Path(folder), Path(given or folder)) for outcome in self.outcomes],
            **self.origin,
        }
        with atomic_write(Path(folder) / RESULTS_FILENAME) as file:
            file.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def _to_dict(outcome: CollectionOutcome, folder: Path, given: Path) -> dict[str, Any]:
    def key(name: str) -> str:
        place = f"{outcome.folder}/{name}.trec"
        return file_key(folder / place if (folder / place).is_file() else given / place)

    return {
        "name": outcome.collection.name,
        "split": outcome.collection.split,
        "folder": outcome.folder,
        "qrels": f"{outcome.folder}/qrels.txt",
        "topics": len(outcome.collection.topics),
        "fingerprint": outcome.collection.fingerprint if outcome.texts else None,
        "missing_judged": outcome.missing,
        "own_documents": outcome.own,
        "systems": [
            {
                "name": system.run.name,
                "run": f"{outcome.folder}/{system.run.name}.trec",
                "sha256": key(system.run.name),
                "measures": system.evaluation.means,
                "answered": system.evaluation.answered,
                "ignored": system.evaluation.ignored,
                "seconds": system.seconds,
            }
            for system in outcome.systems
        ],
    }


def read_results(folder: str | Path) -> Results:
    """Read the folder that `run_experiment` wrote: the collections are opened and the runs evaluated again.

    Raises:
        InputError: ``results.json``, a run or a collection is missing or was changed.

    Examples:
        >>> from ir_eval.experiment import read_experiment, run_experiment
        >>> results = run_experiment(read_experiment("experiment.toml"), "out")
        >>> read_results("out").experiment == results.experiment
        True
    """
    folder = Path(folder)
    experiment, places, origin = read_record(folder)
    try:
        pairs = zip(experiment.collections, places, strict=True)
        outcomes = tuple(_read(folder, experiment, named, place) for named, place in pairs)
    except InputError as error:
        raise InputError(f"{folder / RESULTS_FILENAME}: {error}") from error
    return Results(experiment, outcomes, origin)


def _read(folder: Path, experiment: Experiment, named: CollectionName, place: CollectionRecord) -> CollectionOutcome:
    collection = open_collection(named.name, split=named.split)
    if place.fingerprint is not None and collection.fingerprint != place.fingerprint:
        raise InputError(f"the documents of {named.name} were changed; expected those of the results; run it again")
    systems = []
    for row in place.systems:
        file = folder / row.run
        if not file.is_file() or file_key(file) != row.sha256:
            raise InputError(f"{row.run} is missing or was changed; expected it as written; run it again")
        run = Run.read(file, name=row.name)
        evaluation = evaluate(collection.judgements(), run, named.measures or experiment.measures)
        systems.append(SystemOutcome(run, evaluation, row.seconds))
    texts = place.fingerprint is not None
    return CollectionOutcome(collection, place.folder, tuple(systems), texts, place.missing_judged, place.own_documents)
