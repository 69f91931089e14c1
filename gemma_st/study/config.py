"""Read the TOML file of a study: tasks, grids of settings, and the number of seeds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gemma_st.errors import ModelError
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.tasks import find
from gemma_st.settings import from_table, read_toml, settings
from gemma_st.study.factors import FACTORS, Settings, Value, parse
from gemma_st.study.study_tasks import RANKING, GlueTask, RankingTask, StudyTask
from gemma_st.training.config import TrainingConfig

MOST_SEEDS = 1000
Values = Annotated[list[Any], Field(min_length=1)] | None  # of a factor; None leaves the factor out of a grid


@settings()
class _StudyFile:
    """The tables of a study's file."""

    output: str
    seeds: Annotated[int, Field(gt=0, le=MOST_SEEDS)]
    glue: dict[str, Any] | None = None
    ranking: dict[str, Any] | None = None
    grid: tuple[dict[str, Any], ...] = ()


@settings()
class _GlueTable(GlueConfig):
    """The fields of ``[glue]``: the configuration, the tasks and the source of the examples."""

    tasks: tuple[str, ...]
    data: str | None = None


@settings()
class _Grid:
    """The fields of ``[[grid]]``: the values of each factor, and the tasks; None is all tasks."""

    tasks: Annotated[list[str], Field(min_length=1)] | None = None
    attention: Values = None
    pooler: Values = None
    dropout: Values = None
    padding_side: Values = None
    head: Values = None


@dataclass(frozen=True)
class Cell:
    """One training run: one task, one combination of settings, one seed.

    Attributes:
        task: Task to train on.
        settings: Value of each factor.
        seed: Random seed of head initialisation, data order, dropout and document sampling.
        name: Task, content key and seed; the name of the result's file.

    Examples:
        >>> cell = read_study("study.toml").cells[1]
        >>> cell.task.name, cell.settings["attention"], cell.seed
        ('sst-2', 'causal', 0)
    """

    task: StudyTask
    settings: Settings
    seed: int
    name: str


@dataclass(frozen=True)
class Study:
    """All training runs of a study.

    Attributes:
        output: Folder for the results.
        cells: All training runs; the seed varies slowest.
        factors: Values of each factor that a grid lists. The first value is the baseline.
        resolved: All settings, defaults included, as JSON.

    Examples:
        >>> study = read_study("study.toml")
        >>> len(study.cells), study.factors
        (2, {'attention': ['bidirectional', 'causal']})
    """

    output: Path
    cells: Sequence[Cell]
    factors: Mapping[str, Sequence[Value]]
    resolved: Mapping[str, Any]


def read_study(path: str | Path, data: str | Path | None = None) -> Study:
    """Read a study with its data sets, and check all settings before anything is trained.

    Args:
        path: A TOML file; see ``docs/training.md``.
        data: Folder that replaces ``{data}`` in the file.

    Examples:
        >>> [cell.settings["attention"] for cell in read_study("study.toml").cells]
        ['bidirectional', 'causal']
    """
    file = from_table(_StudyFile, read_toml(path, data), f"{path}: ")
    tasks: list[StudyTask] = []
    if file.glue is not None:
        tasks += _glue_tasks(f"{path}: [glue]", file.glue)
    if file.ranking is not None:
        tasks.append(_ranking_task(f"{path}: [{RANKING}]", file.ranking))
    if not tasks:
        raise ModelError(f"{path}: neither [glue] nor [{RANKING}]; give the study a task")
    if not file.grid:
        raise ModelError(f"{path}: no [[grid]]; give at least one, with lists of values of {', '.join(FACTORS)}")
    names = sorted(task.name for task in tasks)
    grids = [_grid(f"{path}: [[grid]] {number}:", table, names) for number, table in enumerate(file.grid, 1)]
    listed = {name: [value for _, grid in grids for value in grid.get(name, ())] for name in FACTORS}
    factors = {name: _unique(values) for name, values in listed.items() if values}
    resolved: dict[str, Any] = {"seeds": file.seeds, "tasks": {}, "factors": factors}
    for task in tasks:
        given = {"task": task.name, "data": task.data.digest} if isinstance(task, GlueTask) else {}
        resolved["tasks"][task.name] = {**json.loads(json.dumps(asdict(task.config), default=str)), **given}
    return Study(Path(file.output), _cells(tasks, grids, seeds=file.seeds), factors, resolved)


def _glue_tasks(where: str, table: Mapping[str, Any]) -> Iterator[GlueTask]:
    """Yield the tasks. The table ``[glue.TASK]`` of a task overrides ``[glue]``."""
    names = table.get("tasks")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{where} tasks = {names!r}; expected a list of strings such as ['sst-2', 'cola']")
    own = {name: table[name] for name in names if isinstance(table.get(name), dict)}
    shared = {name: value for name, value in table.items() if name not in own}
    for name in names:
        place = f"{where[:-1]}.{name}]" if name in own else where
        given = from_table(_GlueTable, {**shared, **own.get(name, {})}, f"{place} ")
        with _within(place):
            (task,) = find([name])
            options = {field.name: getattr(given, field.name) for field in fields(GlueConfig)}
            config = GlueConfig(**options | {"pooler": parse("pooler", given.pooler)})
            yield GlueTask(task, load(task, given.data, train_examples=given.train_examples), config)


def _ranking_task(where: str, table: Mapping[str, Any]) -> RankingTask:
    if "output" in table:
        raise ModelError(f"{where} has output; remove it: the models are deleted after their evaluation")
    config = from_table(TrainingConfig, {**table, "output": ""}, f"{where} ")
    with _within(where):
        return RankingTask(config)


def _grid(where: str, table: Mapping[str, Any], known: Sequence[str]) -> tuple[Sequence[str], dict[str, list[Value]]]:
    """Return the tasks of a grid, and the values of each factor."""
    grid = from_table(_Grid, table, f"{where} ")
    tasks = known if grid.tasks is None else grid.tasks
    if unknown := [task for task in tasks if task not in known]:
        raise ModelError(f"{where} task {unknown[0]!r} is not the study's; its tasks are {', '.join(known)}")
    with _within(where):
        listed = {name: getattr(grid, name) for name in FACTORS}
        return tasks, {name: [parse(name, value) for value in values] for name, values in listed.items() if values}


def _cells(
    tasks: Sequence[StudyTask], grids: Sequence[tuple[Sequence[str], Mapping[str, list[Value]]]], *, seeds: int
) -> list[Cell]:
    """Return one cell for each seed, task and combination. The seed varies slowest: a partial study is balanced."""
    found: dict[tuple[str, str], tuple[StudyTask, Settings]] = {}
    for names, grid in grids:
        for values in product(*grid.values()):
            for task in (task for task in tasks if task.name in names):
                settings = {**task.defaults, **dict(zip(grid, values, strict=True))}
                found.setdefault((task.name, json.dumps(settings)), (task, settings))
    keyed = [(task, settings, task.key(settings)) for task, settings in found.values()]
    return [
        Cell(task, settings, seed, f"{task.name}-{key}-seed-{seed}")
        for seed in range(seeds)
        for task, settings, key in keyed
    ]


def _unique(values: Sequence[Value]) -> list[Value]:
    return [value for place, value in enumerate(values) if value not in values[:place]]


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Put the file and the table in front of an error message."""
    try:
        yield
    except (ModelError, TypeError, ValueError) as error:
        raise ModelError(f"{where} {error}") from error
