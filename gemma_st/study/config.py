"""One TOML file describes one study: tasks, grids of settings, seeds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.tasks import find
from gemma_st.study.factors import FACTORS, Settings, Value, parse, rates
from gemma_st.study.study_tasks import RANKING, GlueTask, RankingTask, StudyTask
from gemma_st.training.config import check_names, make, make_config, read_table

FIELDS = ("output", "seeds", "glue", RANKING, "grid")
KINDS: dict[str, type | tuple[type, ...]] = {  # of the fields of [glue] that are no factor
    **{"tasks": list, "data": str, "base": str, "max_length": int, "learning_rate": (int, float)},
    **{"relative_rates": bool, "freeze": list, "probe": bool, "epochs": int, "batch_size": int},
    **{"bf16": bool, "train_examples": int},
}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        task: What is trained on.
        settings: The value of each factor.
        seed: Of head, data order and dropout, and of a ranking's draw of documents.
        name: Task, content key and seed: what it is kept under.
    """

    task: StudyTask
    settings: Settings
    seed: int
    name: str


@dataclass(frozen=True)
class Study:
    """What is to be run.

    Attributes:
        output: The folder of the results.
        cells: All of them, seed by seed.
        factors: Values of each factor that is in a grid, the first its baseline.
        resolved: All that the file says and takes for granted, as JSON has it.
    """

    output: Path
    cells: Sequence[Cell]
    factors: Mapping[str, Sequence[Value]]
    resolved: Mapping[str, Any]


def read_study(path: str | Path, data: str | Path | None = None) -> Study:
    """Read a study, its data sets, and the content of its base models and files: nothing is trained if that fails.

    Args:
        path: A TOML file; see ``docs/training.md``.
        data: What ``{data}`` stands for in it.

    Raises:
        ModelError: The file is no TOML, or has a field, factor, value or task that is unknown, lacking or off.
    """
    table = read_table(path, data)
    check_names(f"{path}:", table, FIELDS)
    output, seeds = table.get("output"), table.get("seeds")
    if not isinstance(output, str) or type(seeds) is not int or seeds < 1:
        raise ModelError(
            f"{path}: output = {output!r}, seeds = {seeds!r}; expected a folder and a whole number above 0"
        )
    for name in ("glue", RANKING):
        if not isinstance(table.get(name, {}), dict):
            raise ModelError(f"{path}: {name} = {table[name]!r}; expected a table")
    tasks: list[GlueTask | RankingTask] = [*_glue(f"{path}: [glue]", table), *_ranking(f"{path}: [{RANKING}]", table)]
    if not tasks:
        raise ModelError(f"{path}: neither [glue] nor [{RANKING}]; give the study a task")
    grids = _grids(path, table.get("grid", []), {task.name for task in tasks})
    listed = {name: [value for _, grid in grids for value in grid.get(name, ())] for name in FACTORS}
    factors = {name: _different(values) for name, values in listed.items() if values}
    resolved: dict[str, Any] = {"seeds": seeds, "tasks": {}, "factors": factors}
    for task in tasks:
        given = {"task": task.name, "data": task.data.digest} if isinstance(task, GlueTask) else {}
        resolved["tasks"][task.name] = {**json.loads(json.dumps(asdict(task.config), default=str)), **given}
    return Study(Path(output), _cells(tasks, grids, seeds=seeds), factors, resolved)


def _glue(where: str, table: Mapping[str, Any]) -> list[GlueTask]:
    """Return the tasks, each by its own table ``[glue.TASK]`` where there is one, and else by ``[glue]``."""
    if "glue" not in table:
        return []
    given = dict(table["glue"])
    names = given.pop("tasks", [])
    _checked(where, "tasks", names)
    own = {name: given.pop(name) for name in names if isinstance(given.get(name), dict)}
    if not names:
        raise ModelError(f"{where} names no tasks; expected a list such as ['sst-2', 'cola']")
    return [
        _glue_task(f"{where[:-1]}.{name}]" if name in own else where, name, {**given, **own.get(name, {})})
        for name in names
    ]


def _glue_task(where: str, name: str, table: Mapping[str, Any]) -> GlueTask:
    given = {name: value for name, value in table.items() if name in FACTORS or _checked(where, name, value)}
    with _within(where):
        dropout = rates(given.pop("dropout", 0))
        said: dict[str, Any] = {name: parse(name, value) if name in FACTORS else value for name, value in given.items()}
        source = said.pop("data", None)
        said |= {"dropout": dropout, "freeze": tuple(said.get("freeze", ()))}
    config = make(where, said, GlueConfig)
    with _within(where):
        (task,) = find([name])
        return GlueTask(task, load(task, source, train_examples=config.train_examples), config)


def _checked(where: str, name: str, value: object) -> bool:
    check_names(where, {name: value}, {*KINDS, *(field.name for field in fields(GlueConfig))})
    kind = KINDS[name]
    strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
    if not isinstance(value, kind) or not strings or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", bool: "true or false", str: "a string", list: "a list of strings"}
        wanted = "a number" if isinstance(kind, tuple) else words[kind]
        raise ModelError(f"{where} {name} = {value!r}; expected {wanted}")
    return True


def _ranking(where: str, table: Mapping[str, Any]) -> list[RankingTask]:
    if RANKING not in table:
        return []
    if "output" in table[RANKING]:
        raise ModelError(f"{where} output; take it out: its models are deleted once they are measured")
    config = make_config(where, {**table[RANKING], "output": ""})
    with _within(where):
        if config.evaluation is None:
            raise ModelError("has no [evaluation]; expected one, to compare models by")
        return [RankingTask(config, config.evaluation)]


def _grids(path: str | Path, given: object, known: set[str]) -> list[tuple[Sequence[str], dict[str, list[Value]]]]:
    """Return the tasks of each grid and its values."""
    if not isinstance(given, list) or not given or not all(isinstance(grid, dict) for grid in given):
        raise ModelError(
            f"{path}: no [[grid]]; give the study at least one, with lists of values of {', '.join(FACTORS)}"
        )
    grids = []
    for number, grid in enumerate(given, 1):
        where = f"{path}: [[grid]] {number}:"
        check_names(where, grid, {*FACTORS, "tasks"})
        for name, values in grid.items():
            if not isinstance(values, list) or not values:
                raise ModelError(f"{where} {name} = {values!r}; expected a list of at least one value")
        tasks = grid.get("tasks", sorted(known))
        if unknown := [task for task in tasks if task not in known]:
            raise ModelError(
                f"{where} task {unknown[0]!r} is not the study's; its tasks are {', '.join(sorted(known))}"
            )
        with _within(where):
            parsed = {name: [parse(name, value) for value in grid[name]] for name in FACTORS if name in grid}
        grids.append((tasks, parsed))
    return grids


def _cells(
    tasks: Sequence[StudyTask], grids: Sequence[tuple[Sequence[str], Mapping[str, list[Value]]]], *, seeds: int
) -> list[Cell]:
    """Return a cell for every seed, task and combination of settings, none twice; a cut-off study is balanced."""
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


def _different(values: Sequence[Value]) -> list[Value]:
    return [value for place, value in enumerate(values) if value not in values[:place]]


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Say where in the file an error is."""
    try:
        yield
    except (ModelError, TypeError, ValueError) as error:
        raise ModelError(f"{where} {error}") from error
