"""Running an experiment: every run is written as soon as it is there, ``results.json`` when all are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ir_eval.collections import Collection, open_collection
from ir_eval.data.files import check_folder
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment.config import Experiment, unused
from ir_eval.experiment.results import FILE, Outcome, Results, System, write_results
from ir_eval.experiment.systems import Fuse, Given, Made, SystemConfig
from ir_eval.pipeline.fusion import tune
from ir_eval.provenance import commit, sources, versions


def run_experiment(experiment: Experiment, folder: str | Path | None = None) -> Results:
    """Run every system over every collection, and evaluate them all.

    An experiment that was interrupted goes on when it is run again: what is expensive, indexes, vectors, searches and
    scores, is kept under keys of its content, so nothing is done twice and nothing stale is read; the runs come out
    the same, byte for byte.

    Args:
        experiment: What to run.
        folder: Gets ``COLLECTION/SYSTEM.trec`` and ``COLLECTION/qrels.txt``, then ``results.json``; with None, nothing
            is written.

    Raises:
        InputError: A collection has no judgements, something given cannot be used, or the folder cannot be written.
        gemma_st.errors.ModelError: There is no such model.
    """
    if folder is not None:
        check_folder(folder)
    collections = _open(experiment)
    if folder is not None:
        (Path(folder) / FILE).unlink(missing_ok=True)  # of an earlier experiment, whose runs are about to be replaced
    systems = _tuned(experiment, collections)
    outcomes = []
    for place, collection, label in zip(experiment.collections, collections, _folders(collections), strict=True):
        own = None if folder is None else Path(folder) / label
        found = _run(systems, place.measures or experiment.measures, collection, own)
        texts = collection.source.local or any(system.reads_documents for system in systems.values())
        outcomes.append(Outcome(collection, label, found, texts))
    tuned = {name: system.tuned for name, system in systems.items() if isinstance(system, Fuse) and system.tuned}
    weights = {name: list(found) for name, found in tuned.items()}
    origin = {"tuned": weights, "versions": versions(), "commit": commit(), "sources": sources()}
    results = Results(experiment, tuple(outcomes), origin)
    if folder is not None:
        write_results(results, Path(folder))
    return results


def _open(experiment: Experiment) -> list[Collection]:
    """Open the collections, and refuse now what would otherwise fail only after long work."""
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
    """Say which system an error is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"system {system!r}: {error}") from error


def _tuned(experiment: Experiment, collections: list[Collection]) -> dict[str, SystemConfig]:
    """Return the systems, the weights of fusions tuned: on runs that the same systems make of another collection."""
    systems = dict(experiment.systems)
    for name, config in experiment.systems.items():
        if isinstance(config, Fuse) and config.tune_on:
            collection = open_collection(config.tune_on.name, split=config.tune_on.split)
            topics = collection.topics.items()
            if known := next((topic for other in collections for topic in topics & other.topics.items()), None):
                raise InputError(
                    f"system {name!r} is tuned on topic {known[0]!r}, which is measured, too; "
                    "expected a development collection apart"
                )
            made: dict[str, Made] = {}
            for part, system in systems.items():
                if part in _needed(config.parts, systems):
                    made[part] = system.make(part, collection, made)
            runs = [made[part].run for part in config.parts]
            found = tune(runs, collection.judgements(), experiment.measures[0], normalisation=config.normalisation)
            systems[name] = replace(config, tuned=found.weights)
    return systems


def _needed(names: Iterable[str], systems: Mapping[str, SystemConfig]) -> set[str]:
    """Return systems and all that they are made of."""
    return {need for name in names for need in (name, *_needed(systems[name].inputs, systems))}


def _run(
    systems: Mapping[str, SystemConfig], measures: Sequence[str], collection: Collection, folder: Path | None
) -> tuple[System, ...]:
    qrels = collection.judgements()
    made: dict[str, Made] = {}
    found = []
    for name, config in systems.items():
        run, seconds = made[name] = config.make(name, collection, made)
        found.append(System(run, evaluate(qrels, run, measures), seconds))
        if folder is not None:
            path = folder / f"{name}.trec"
            given = config.path(collection).resolve() if isinstance(config, Given) else None
            if path.resolve() != given:
                run.write(path)
    if folder is not None:
        qrels.write(folder / "qrels.txt")
    return tuple(found)


def _folders(collections: list[Collection]) -> list[str]:
    """Give every collection a folder of its own, also two of one name."""
    folders: list[str] = []
    for collection in collections:
        parts = [collection.name, *([collection.split] if collection.split and collection.name.count("/") == 0 else [])]
        folders.append(unused("-".join(parts).replace("/", "-"), folders))
    return folders
