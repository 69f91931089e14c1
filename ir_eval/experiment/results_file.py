"""``results.json``: its keys, and the reader that checks every value of it."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gemma_st.settings import from_table, read_json, settings
from ir_eval.errors import InputError, shorten, shown
from ir_eval.experiment.config import Experiment
from ir_eval.experiment.experiment_file import parse_experiment

RESULTS_FILENAME = "results.json"

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


@settings(error=InputError)
class SystemRecord:
    """A system on one collection; see `SystemOutcome` and ``Evaluation``.

    Examples:
        >>> SystemRecord(name="bm25", run="c/bm25.trec", sha256="0" * 64, measures={"mrr": 0.5}, seconds=None).answered
    """

    name: str
    run: str
    sha256: str
    measures: dict[str, _Finite]
    seconds: Annotated[_Finite, Field(ge=0)] | None
    answered: _Count | None = None
    ignored: _Count = 0


@settings(error=InputError)
class CollectionRecord:
    """A collection; see `CollectionOutcome`.

    Examples:
        >>> CollectionRecord(name="c", split=None, folder="c", qrels="c/qrels.txt", topics=2, fingerprint=None,
        ...                  systems=()).missing_judged
        0
    """

    name: str
    split: str | None
    folder: str
    qrels: str
    topics: _Count
    fingerprint: str | None
    systems: tuple[SystemRecord, ...]
    missing_judged: _Count = 0
    own_documents: _Count = 0


@settings(error=InputError)
class _File:
    """The keys of the file."""

    experiment: dict[str, Any]
    collections: tuple[CollectionRecord, ...]
    tuned: dict[str, list[_Finite]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    sources: str = ""


def read_record(folder: str | Path) -> tuple[Experiment, tuple[CollectionRecord, ...], dict[str, Any]]:
    """Return the experiment, its collections, and the origin of the results in the folder of ``ir-eval run --out``.

    Raises:
        InputError: The file is missing, or a key of it is missing, unknown or has a wrong value.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> results = run_experiment(single("collection", first_stage="bm25.trec"), "out")
        >>> read_record("out")[1][0].systems[0].name
        'bm25'
    """
    path = Path(folder) / RESULTS_FILENAME
    try:
        found = from_table(_File, read_json(path, error=InputError), f"{path}: ", error=InputError)
        experiment = _parse(found.experiment, path)
        _check(experiment, found.collections, path)
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: no results ({reason}); expected the file of ir-eval run --out; run it") from error
    origin = {key: value for key, value in vars(found).items() if key not in ("experiment", "collections")}
    return experiment, found.collections, origin


def _parse(table: dict[str, Any], path: Path) -> Experiment:
    try:
        return parse_experiment(table)
    except ValueError as error:  # InputError, and ModelError
        raise InputError(f"{path}: experiment: {error}") from error


def _check(experiment: Experiment, collections: Sequence[CollectionRecord], path: Path) -> None:
    """Check what no single key shows: that collections, systems, measures and files are those of the experiment."""
    if len(collections) != len(experiment.collections):
        raise InputError(f"{path}: {len(collections)} collections; expected {len(experiment.collections)}")
    for number, (place, found) in enumerate(zip(experiment.collections, collections, strict=True)):
        where = f"{path}: collections.{number}"
        if Path(found.folder).name != found.folder or found.folder == "..":
            raise InputError(f"{where}.folder = {shown(found.folder)}; expected the name of a folder")
        if found.qrels != f"{found.folder}/qrels.txt":
            raise InputError(f"{where}.qrels = {shown(found.qrels)}; expected {found.folder}/qrels.txt")
        names = [system.name for system in found.systems]
        if names != list(experiment.systems):
            seen, known = (shorten(", ".join(part)) or "none" for part in (names, experiment.systems))
            raise InputError(f"{where}.systems: {seen}; expected {known}")
        measures = experiment.measures_on(place)
        for system in found.systems:
            if system.run != (run := f"{found.folder}/{system.name}.trec"):
                raise InputError(f"{where}.systems: run = {shown(system.run)}; expected {shorten(run)}")
            if list(system.measures) != measures:
                seen = shorten(", ".join(system.measures)) or "none"
                raise InputError(f"{where}.systems: measures {seen}; expected {', '.join(measures)}")
    if len({found.folder for found in collections}) < len(collections):
        raise InputError(f"{path}: two collections of one folder; expected a folder for each")
