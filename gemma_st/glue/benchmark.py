"""Tasks × seeds: each cell kept under the content of its configuration, so that nothing is trained twice."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.files import write_whole
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import Data, load
from gemma_st.glue.examples import Split
from gemma_st.glue.glue_submission import file_name, submission, title
from gemma_st.glue.metrics import baseline, predictions
from gemma_st.glue.score_table import markdown
from gemma_st.glue.tasks import Task
from gemma_st.hub.saving import save

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder

PACKAGES = ("gemma-encoder", "sentence-transformers", "transformers", "torch", "datasets")


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes:
        tasks: The tasks.
        seeds: The seeds of each.
        source: Where the examples are; see [gemma_st.glue.datasets.load][].
        output: The folder of the results.
        command: What the user typed, for the table and the cards.
    """

    tasks: Sequence[Task]
    seeds: Sequence[int]
    source: str | None
    output: Path
    command: str


def run(request: Request, config: GlueConfig) -> dict[str, Any]:
    """Train and measure, and write ``results.json``, ``results.md``, models and submissions after each task.

    A second call goes on where the first was cut off.

    Args:
        request: What to run.
        config: How to train.

    Returns:
        What ``results.json`` holds.

    Raises:
        ModelError: The examples or the base cannot be used.
    """
    loaded = [(task, load(task, request.source, train_examples=config.train_examples)) for task in request.tasks]
    results: dict[str, Any] = {
        "command": request.command,
        "config": {**asdict(config), "freeze": list(config.freeze)},
        "seeds": list(request.seeds),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": [],
    }
    for task, data in loaded:
        results["rows"] += _task(task, data, request, config)
        write_whole(request.output / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
        write_whole(request.output / "results.md", markdown(results))
    return results


def _task(task: Task, data: Data, request: Request, config: GlueConfig) -> list[dict[str, Any]]:
    """Run a task's seeds, write its card and submissions, and return a row of results for each labelled set."""
    from gemma_st.glue.task_card import write_task_card

    folder = request.output / f"{task.name}-{config.key(task, data)}"
    cells = {seed: _cell(task, data, config, seed, folder) for seed in request.seeds}
    best = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    for name, text in best["submissions"].items():
        write_whole(request.output / "submissions" / name, text)
    said = {"model": f"{folder.name}/{task.name}", "model_seed": best["seed"]}
    rows = [
        row | said
        for kind, splits in (("dev", data.dev), ("test", data.test))
        for part, split in splits.items()
        if (row := _row(task, data, cells, kind, part, split))
    ]
    settings = {**asdict(config), "command": request.command, "seeds": list(cells)}
    write_task_card(folder / task.name, task, rows, settings)
    return rows


def _row(
    task: Task, data: Data, cells: Mapping[int, Mapping[str, Any]], kind: str, part: str, split: Split
) -> dict[str, Any]:
    """Return what all seeds scored on a set, nothing where its labels are kept secret."""
    if split.labels is None or data.train.labels is None:
        return {}
    measured = [cell["metrics"][f"{kind}{part}"] for cell in cells.values()]
    return {
        "task": task.name,
        "title": title(task, part),
        "set": kind,
        "examples": len(split.texts),
        "train_examples": len(data.train.texts),
        "note": data.note,
        "metrics": {name: [metrics[name] for metrics in measured] for name in task.metrics},
        "baseline": baseline(task, data.train.labels, split.labels),
        "seconds": [cell["seconds"] for cell in cells.values()],
    }


def _cell(task: Task, data: Data, config: GlueConfig, seed: int, folder: Path) -> dict[str, Any]:
    """Return what a seed scored, trained unless it was before; keep its model if it is the best so far."""
    from gemma_st.glue.finetune import evaluate, fine_tune, score

    path = folder / f"seed-{seed}.json"
    if path.exists():
        cell: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cell
    checkpoints, start = folder / f"seed-{seed}", time.monotonic()
    model = fine_tune(task, data, config, seed=seed, checkpoints=checkpoints)
    sets = {f"dev{part}": split for part, split in data.dev.items()}
    sets |= {f"test{part}": split for part, split in data.test.items()}
    scores = {name: score(model, split) for name, split in sets.items()}
    cell = {
        "metrics": {name: evaluate(task, scores[name], split) for name, split in sets.items()},
        "seconds": round(time.monotonic() - start, 1),
    }
    said = {
        file_name(task, part): submission(task, split.index, predictions(task, scores[f"test{part}"]))
        for part, split in data.test.items()
    }
    first = cell["metrics"][next(iter(sets))][task.metrics[0]]
    _keep_best(folder, task, model, {"seed": seed, "score": first, "submissions": said})
    write_whole(path, json.dumps(cell, indent=2) + "\n")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return cell


def _keep_best(folder: Path, task: Task, model: "CrossEncoder", found: dict[str, Any]) -> None:
    """Keep a model and its submissions if none before it was as good; what is written last says whose it is."""
    kept = folder / "model.json"
    if kept.exists():
        before = json.loads(kept.read_text(encoding="utf-8"))
        if before["seed"] != found["seed"] and before["score"] >= found["score"]:
            return
    save(model, folder / task.name)
    write_whole(kept, json.dumps(found, indent=2) + "\n")
