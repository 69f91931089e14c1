"""Run GLUE tasks over several seeds. Each training is stored under a key of its configuration and never repeated."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.files import write_whole
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import Data, load
from gemma_st.glue.finetune import fine_tune, score
from gemma_st.glue.glue_submission import submission
from gemma_st.glue.metrics import baseline, measure, predictions
from gemma_st.glue.score_table import markdown
from gemma_st.glue.task_card import write_task_card
from gemma_st.glue.tasks import Task
from gemma_st.hub.saving import save

PACKAGES = ("gemma-encoder", "sentence-transformers", "transformers", "torch", "datasets")
BEST_FILENAME = "model.json"  # seed, dev score and submissions of the model that is kept


@dataclass(frozen=True)
class Request:
    """The tasks and seeds to run.

    Attributes:
        tasks: The tasks.
        seeds: Random seeds; one model is trained for each task and seed.
        source: Source of the examples; see [gemma_st.glue.datasets.load][].
        output: Folder for the results.
        command: Command line, for the table and the cards.

    Example:
        >>> from gemma_st.glue.tasks import find
        >>> request = Request(find(["sst-2"]), range(3), source="glue", output=Path("runs"), command="gemma-st glue …")
    """

    tasks: Sequence[Task]
    seeds: Sequence[int]
    source: str | None
    output: Path
    command: str


def run(request: Request, config: GlueConfig) -> dict[str, Any]:
    """Train and evaluate, and write ``results.json``, ``results.md``, models and submissions after each task.

    A second call with the same request resumes an interrupted one. Return the content of ``results.json``.

    Raises:
        ModelError: The examples or the base cannot be used.

    Example:
        >>> from gemma_st.glue.tasks import find
        >>> request = Request(find(["sst-2"]), [0], source="glue", output=Path("runs"), command="gemma-st glue …")
        >>> results = run(request, GlueConfig(base="decoder", probe=True, epochs=0))
        >>> results["rows"][0]["metrics"]
        {'accuracy': [1.0]}
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
        results["rows"] += _run_task(task, data, request, config)
        write_whole(request.output / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
        write_whole(request.output / "results.md", markdown(results))
    return results


def _run_task(task: Task, data: Data, request: Request, config: GlueConfig) -> list[dict[str, Any]]:
    """Run the seeds of a task, write its card and submissions, and return a row for each labelled set."""
    folder = request.output / f"{task.name}-{config.key(task, data)}"
    cells = [_run_seed(task, data, config, seed, folder) for seed in request.seeds]
    best = json.loads((folder / BEST_FILENAME).read_text(encoding="utf-8"))
    for name, text in best["submissions"].items():
        write_whole(request.output / "submissions" / name, text)
    model = {"model": f"{folder.name}/{task.name}", "model_seed": best["seed"]}
    rows = [row | model for row in _rows(task, data, cells)]
    settings = {**asdict(config), "command": request.command, "seeds": list(request.seeds)}
    write_task_card(folder / task.name, task, rows, settings)
    return rows


def _rows(task: Task, data: Data, cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row with the scores of all seeds for each set whose labels are known."""
    return [
        {
            "task": task.name,
            "title": task.set_title(part),
            "set": kind,
            "examples": len(split.texts),
            "train_examples": len(data.train.texts),
            "note": data.note,
            "metrics": {name: [cell["metrics"][kind + part][name] for cell in cells] for name in task.metrics},
            "baseline": baseline(task, data.train.labels, split.labels),
            "seconds": [cell["seconds"] for cell in cells],
        }
        for kind, sets in (("dev", data.dev), ("test", data.test))
        for part, split in sets.items()
        if split.labels is not None and data.train.labels is not None
    ]


def _run_seed(task: Task, data: Data, config: GlueConfig, seed: int, folder: Path) -> dict[str, Any]:
    """Return the stored result of a seed, or train and store it; keep the model if it is the best so far."""
    path = folder / f"seed-{seed}.json"
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return stored
    checkpoints, start = folder / f"seed-{seed}", time.monotonic()
    model = fine_tune(task, data, config, seed=seed, checkpoints=checkpoints)
    sets = data.evaluation_sets
    predicted = {name: predictions(task, score(model, split)) for name, split in sets.items()}
    metrics = {name: measure(task, predicted[name], split.labels) for name, split in sets.items()}
    submissions = {
        task.submission_filename(part): submission(task, split.index, predicted[f"test{part}"])
        for part, split in data.test.items()
    }
    dev_score = metrics[next(iter(sets))][task.metrics[0]]
    _keep_best(folder, task, model, {"seed": seed, "score": dev_score, "submissions": submissions})
    result = {"metrics": metrics, "seconds": round(time.monotonic() - start, 1)}
    write_whole(path, json.dumps(result, indent=2) + "\n")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def _keep_best(folder: Path, task: Task, model: CrossEncoder, found: dict[str, Any]) -> None:
    """Keep a model and its submissions unless an earlier seed scored at least as well on dev."""
    kept = folder / BEST_FILENAME
    if kept.exists():
        before = json.loads(kept.read_text(encoding="utf-8"))
        if before["seed"] != found["seed"] and before["score"] >= found["score"]:
            return
    save(model, folder / task.name)
    write_whole(kept, json.dumps(found, indent=2) + "\n")  # written last: it says whose weights the model has
