"""Run an experiment: check and load everything, make the runs, and replace earlier results after the last one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gemma_st.errors import ModelError
from ir_eval.collections import Collection, open_collection
from ir_eval.data.run import Run
from ir_eval.errors import InputError, check_kind
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment.config import Experiment, unused
from ir_eval.experiment.loaded_models import LoadedModels
from ir_eval.experiment.results import CollectionOutcome, Results, SystemOutcome
from ir_eval.experiment.results_folder import ResultsFolder, check_places, open_results
from ir_eval.experiment.system_config import CollectionName, RunAndTime, SystemConfig
from ir_eval.experiment.systems import Fuse, Given
from ir_eval.pipeline.fusion import tune
from ir_eval.provenance import commit, sources, versions

NEAR_TOP = 10  # ranks at which a topic that is a document would find itself


@dataclass(frozen=True)
class _Place:
    """A collection that is ready for the systems."""

    collection: Collection
    label: str  # name of its folder
    measures: list[str]
    given: Mapping[str, RunAndTime]  # the systems that are run files
    missing: int = 0  # judged documents that the collection lacks


def run_experiment(experiment: Experiment, folder: str | Path | None = None) -> Results:
    """Run every system on every collection, and evaluate the runs.

    Options, files and models are checked before anything is retrieved. Earlier results in the folder stay whole until
    the last new run is made.

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
    check_kind("experiment", experiment, Experiment)
    if folder is None:
        return _run_all(experiment, None)
    check_kind("folder", folder, str, Path)
    check_places(folder, [])
    with open_results(folder) as results:
        found = _run_all(experiment, results)
        found.write(results.staged, results.folder)
        results.publish(_given_files(experiment, found))
    return found


def _run_all(experiment: Experiment, folder: ResultsFolder | None) -> Results:
    models = LoadedModels()
    places, development = _open(experiment, folder, models)
    tuned = _tuned(experiment, development, models)
    systems = {**experiment.systems, **tuned}
    reads = any(system.reads_documents for system in systems.values())
    outcomes = []
    for place in places:
        found = _run(systems, place, folder, models)
        texts = place.collection.source.local or reads
        own = _own_documents(place.collection, [system.run for system in found]) if texts else 0
        outcomes.append(CollectionOutcome(place.collection, place.label, found, texts, place.missing, own))
    weights = {name: list(system.weights or ()) for name, system in tuned.items()}
    origin = {"tuned": weights, "versions": versions(), "commit": commit(), "sources": sources()}
    return Results(experiment, tuple(outcomes), origin)


def _open(
    experiment: Experiment, folder: ResultsFolder | None, models: LoadedModels
) -> tuple[list[_Place], dict[str, Collection]]:
    """Open the collections and the development collections, and raise every error that is known before long work."""
    for name, system in experiment.systems.items():
        with _naming(name):
            system.check()
    opened = [_open_collection(place) for place in experiment.collections]
    development = _open_development(experiment, opened)
    labels = _folders(opened)
    if folder is not None:
        names = [*(f"{system}.trec" for system in experiment.systems), "qrels.txt"]
        check_places(folder.folder, [f"{label}/{name}" for label in labels for name in names])
    for collection in [*opened, *development.values()]:
        for name, system in experiment.systems.items():
            with _naming(name):
                system.check_for(collection)
    places = []
    for collection, label, place in zip(opened, labels, experiment.collections, strict=True):
        given = _read_given(experiment, collection, models)
        places.append(_Place(collection, label, experiment.measures_on(place), given))
    for collection in [*opened, *development.values()]:
        for name, system in experiment.systems.items():
            with _naming(name):
                system.load(collection, models)
    reads = any(system.reads_documents for system in experiment.systems.values())
    local = [reads and place.collection.source.local for place in places]
    missing = [place.collection.missing_judged() if own else 0 for place, own in zip(places, local, strict=True)]
    return [replace(place, missing=lacking) for place, lacking in zip(places, missing, strict=True)], development


def _open_collection(place: CollectionName) -> Collection:
    collection = open_collection(place.name, split=place.split)
    collection.judgements()
    return collection


def _open_development(experiment: Experiment, opened: list[Collection]) -> dict[str, Collection]:
    """Return the development collection of each system with ``tune_on``; a topic of it must not be evaluated."""
    found = {}
    for name, config in experiment.systems.items():
        if isinstance(config, Fuse) and config.tune_on:
            found[name] = _open_collection(config.tune_on)
            topics = found[name].topics.items()
            if shared := next((topic for other in opened for topic in topics & other.topics.items()), None):
                raise InputError(
                    f"system {name!r} is tuned on topic {shared[0]!r}, which is also evaluated; "
                    "expected a separate development collection"
                )
    return found


def _read_given(experiment: Experiment, collection: Collection, models: LoadedModels) -> dict[str, RunAndTime]:
    """Read the systems that are run files, and check that they are of this collection."""
    given = {}
    for name, system in experiment.systems.items():
        if isinstance(system, Given):
            run, _ = given[name] = system.make(name, collection, made={}, models=models)
            if not any(query_id in run for query_id in collection.judgements()):
                evaluate(collection.judgements(), run, experiment.measures)  # raises the error
    return given


@contextmanager
def _naming(system: str) -> Iterator[None]:
    """Add the system's name to an error."""
    try:
        yield
    except (InputError, ModelError) as error:
        raise type(error)(f"system {system!r}: {error}") from error


def _tuned(experiment: Experiment, development: Mapping[str, Collection], models: LoadedModels) -> dict[str, Fuse]:
    """Return the systems that have ``tune_on``, with weights in its place, tuned on the development collection."""
    tuned: dict[str, Fuse] = {}
    for name, collection in development.items():
        config = experiment.systems[name]
        if not isinstance(config, Fuse):
            continue
        made: dict[str, RunAndTime] = {}
        for part in experiment.with_inputs(name)[:-1]:
            system = tuned.get(part, experiment.systems[part])
            made[part] = system.make(part, collection, made=made, models=models)
        runs = [made[part][0] for part in config.fuse]
        found = tune(runs, collection.judgements(), experiment.measures[0], normalisation=config.normalisation)
        tuned[name] = replace(config, weights=found.weights, tune_on=None)
    return tuned


def _run(
    systems: Mapping[str, SystemConfig], place: _Place, folder: ResultsFolder | None, models: LoadedModels
) -> tuple[SystemOutcome, ...]:
    qrels = place.collection.judgements()
    made: dict[str, RunAndTime] = {}
    found = []
    for name, config in systems.items():
        kept = place.given.get(name)
        run, seconds = made[name] = kept or config.make(name, place.collection, made=made, models=models)
        found.append(SystemOutcome(run, evaluate(qrels, run, place.measures), seconds))
        if folder is not None:
            given = config.path(place.collection).resolve() if isinstance(config, Given) else None
            if (folder.folder / place.label / f"{name}.trec").resolve() != given:  # never replace a file of the user
                run.write(folder.staged / place.label / f"{name}.trec")
    if folder is not None:
        qrels.write(folder.staged / place.label / "qrels.txt")
    return tuple(found)


def _own_documents(collection: Collection, runs: Iterable[Run]) -> int:
    """Return the number of topics that a run answers first with a document of the topic's id that holds its text."""
    first: set[str] = set()
    for run in runs:
        top = run.top(NEAR_TOP)
        first.update(top.query_ids[top.codes][top.doc_ids == top.query_ids[top.codes]].tolist())
    texts = collection.source.texts(sorted(first)) if first else {}
    topics = {query_id: collection.topics[query_id] for query_id in texts if query_id in collection.topics}
    return sum(_normal(text) in _normal(texts[query_id]) for query_id, text in topics.items())


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _given_files(experiment: Experiment, results: Results) -> list[Path]:
    given = [system for system in experiment.systems.values() if isinstance(system, Given)]
    return [system.path(outcome.collection).resolve() for system in given for outcome in results.outcomes]


def _folders(collections: list[Collection]) -> list[str]:
    """Return a folder name for each collection; of two equal names the second ends in ``-2``."""
    folders: list[str] = []
    for collection in collections:
        split = collection.split if "/" not in collection.name else None  # an ir_datasets id ends in its split
        name = f"{collection.name}-{split}" if split else collection.name
        folders.append(unused(name.replace("/", "-"), folders))
    return folders
