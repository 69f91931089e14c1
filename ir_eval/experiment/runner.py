"""Run an experiment: write each run as soon as it is made, and ``results.json`` after the last one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ir_eval.collections import Collection, open_collection
from ir_eval.data.text_files import check_folder
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment.config import Experiment, unused
from ir_eval.experiment.results import RESULTS_FILENAME, CollectionOutcome, Results, SystemOutcome
from ir_eval.experiment.system_config import RunAndTime, SystemConfig
from ir_eval.experiment.systems import Fuse, Given
from ir_eval.pipeline.fusion import tune
from ir_eval.provenance import commit, sources, versions


def run_experiment(experiment: Experiment, folder: str | Path | None = None) -> Results:
    """Run every system on every collection, and evaluate the runs.

    An interrupted experiment resumes when it is run again: indexes, vectors, searches and scores are cached under keys
    of their content, so nothing is computed twice, no stale value is read, and the runs are the same byte for byte.

    Args:
        experiment: Collections, systems and measures.
        folder: Folder for ``COLLECTION/SYSTEM.trec``, ``COLLECTION/qrels.txt`` and ``results.json``; if None, nothing
            is written.

    Raises:
        InputError: A collection has no judgements, an option or file is wrong, or the folder cannot be written.
        gemma_st.errors.ModelError: There is no such model.

    Examples:
        >>> from ir_eval.experiment import read_experiment
        >>> results = run_experiment(read_experiment("experiment.toml"), "out")
        >>> results.outcomes[0].evaluations["bm25"].means
        {'ndcg@10': 1.0}
    """
    if folder is not None:
        check_folder(folder)
    collections = _open(experiment)
    reads = any(system.reads_documents for system in experiment.systems.values())
    missing = [found.missing_judged() if reads and found.source.local else 0 for found in collections]
    if folder is not None:
        (Path(folder) / RESULTS_FILENAME).unlink(missing_ok=True)  # its runs are about to be replaced
    tuned = _tuned(experiment, collections)
    systems = {**experiment.systems, **tuned}
    outcomes = []
    folders = _folders(collections)
    for place, collection, label, lacking in zip(experiment.collections, collections, folders, missing, strict=True):
        own = None if folder is None else Path(folder) / label
        found = _run(systems, place.measures or experiment.measures, collection, own)
        texts = collection.source.local or any(system.reads_documents for system in systems.values())
        outcomes.append(CollectionOutcome(collection, label, found, texts, lacking))
    weights = {name: list(system.weights or ()) for name, system in tuned.items()}
    origin = {"tuned": weights, "versions": versions(), "commit": commit(), "sources": sources()}
    results = Results(experiment, tuple(outcomes), origin)
    if folder is not None:
        results.write(folder)
    return results


def _open(experiment: Experiment) -> list[Collection]:
    """Open the collections, and raise every error that can be known before long work."""
    for name, system in experiment.systems.items():
        with _naming(name):
            system.check()
    collections = [open_collection(place.name, split=place.split) for place in experiment.collections]
    for collection in collections:
        collection.judgements()
        for name, system in experiment.systems.items():
            with _naming(name):
                system.check_for(collection)
    return collections


@contextmanager
def _naming(system: str) -> Iterator[None]:
    """Add the system's name to an error."""
    try:
        yield
    except InputError as error:
        raise InputError(f"system {system!r}: {error}") from error


def _tuned(experiment: Experiment, collections: list[Collection]) -> dict[str, Fuse]:
    """Return the systems that have ``tune_on``, with weights in its place, tuned on the development collection."""
    tuned: dict[str, Fuse] = {}
    for name, config in experiment.systems.items():
        if not isinstance(config, Fuse) or not config.tune_on:
            continue
        collection = open_collection(config.tune_on.name, split=config.tune_on.split)
        topics = collection.topics.items()
        if shared := next((topic for other in collections for topic in topics & other.topics.items()), None):
            raise InputError(
                f"system {name!r} is tuned on topic {shared[0]!r}, which is also evaluated; "
                "expected a separate development collection"
            )
        made: dict[str, RunAndTime] = {}
        for part in experiment.with_inputs(name)[:-1]:
            made[part] = tuned.get(part, experiment.systems[part]).make(part, collection, made)
        runs = [made[part][0] for part in config.fuse]
        found = tune(runs, collection.judgements(), experiment.measures[0], normalisation=config.normalisation)
        tuned[name] = replace(config, weights=found.weights, tune_on=None)
    return tuned


def _run(
    systems: Mapping[str, SystemConfig], measures: Sequence[str], collection: Collection, folder: Path | None
) -> tuple[SystemOutcome, ...]:
    qrels = collection.judgements()
    made: dict[str, RunAndTime] = {}
    found = []
    for name, config in systems.items():
        run, seconds = made[name] = config.make(name, collection, made)
        found.append(SystemOutcome(run, evaluate(qrels, run, measures), seconds))
        if folder is not None:
            path = folder / f"{name}.trec"
            given = config.path(collection).resolve() if isinstance(config, Given) else None
            if path.resolve() != given:  # never replace a file that the user gave
                run.write(path)
    if folder is not None:
        qrels.write(folder / "qrels.txt")
    return tuple(found)


def _folders(collections: list[Collection]) -> list[str]:
    """Return a folder name for each collection; of two equal names the second ends in ``-2``."""
    folders: list[str] = []
    for collection in collections:
        split = collection.split if "/" not in collection.name else None  # an ir_datasets id ends in its split
        name = f"{collection.name}-{split}" if split else collection.name
        folders.append(unused(name.replace("/", "-"), folders))
    return folders
