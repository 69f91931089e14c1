"""Run GLUE tasks over several seeds. Each training is stored under a key of its configuration and never repeated."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gemma_st.cross_encoder import CrossEncoder
from gemma_st.files import write_whole, writing
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import Data, load
from gemma_st.glue.finetune import fine_tune, score
from gemma_st.glue.metrics import baseline, measure, predictions
from gemma_st.glue.score_table import markdown, markdown_table
from gemma_st.glue.sources import HUB
from gemma_st.glue.tasks import HIGHEST_GRADE, Task
from gemma_st.hub.card import USAGE, Facts, write_card
from gemma_st.hub.saving import save
from gemma_st.locks import reserved
from gemma_st.settings import read_json
from gemma_st.training.embeddings import embeddings_are_frozen

PACKAGES = ("gemma-encoder", "sentence-transformers", "transformers", "torch", "datasets")
BEST_FILENAME = "model.json"  # seed, dev score and submissions of the model that is kept
# The line of the model card that uses the model, for single texts, classes of pairs and grades of pairs.
TEXTS_USAGE = 'model.labels(model.predict_texts(["It works.", "It does not."]))'
CLASSES_USAGE = f"scores = {USAGE['CrossEncoder']}\nmodel.labels(scores)  # class names"
GRADES_USAGE = f"scores = {USAGE['CrossEncoder']}\nscores * {HIGHEST_GRADE:g}  # grades"


def run(
    tasks: Sequence[Task], seeds: Sequence[int], config: GlueConfig, *, source: str | None, output: Path, command: str
) -> dict[str, Any]:
    """Train and evaluate, and write ``results.json``, ``results.md``, models and submissions after each task.

    A second call with the same arguments resumes an interrupted one. Return the content of ``results.json``.

    Args:
        tasks: The tasks to train on, one after the other.
        seeds: Random seeds. One model is trained for each task and seed; the best on dev is kept.
        config: Settings that all tasks and seeds share.
        source: Source of the examples; see [gemma_st.glue.datasets.load][].
        output: Folder for the results.
        command: Command line, for the table and the cards.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> tasks, config = [TASKS["sst-2"]], GlueConfig(base="decoder", probe=True, epochs=0)
        >>> results = run(tasks, [0], config, source="glue", output=Path("runs"), command="gemma-st glue …")
        >>> results["rows"][0]["metrics"]
        {'accuracy': [1.0]}
    """
    loaded = [(task, load(task, source, train_examples=config.train_examples)) for task in tasks]
    results: dict[str, Any] = {
        "command": command,
        "config": {**asdict(config), "freeze": list(config.freeze)},
        "seeds": list(seeds),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": [],
    }
    with reserved(output), writing(output, "the results"):
        for task, data in loaded:
            _run_task(task, data, config, seeds=seeds, output=output, results=results)
    return results


def _run_task(
    task: Task, data: Data, config: GlueConfig, *, seeds: Sequence[int], output: Path, results: dict[str, Any]
) -> None:
    """Train a task with all seeds, add its rows to the results, and write them."""
    folder = output / f"{task.name}-{config.key(task, data)}"
    cells = [_run_seed(task, data, config, seed, folder) for seed in seeds]
    best = json.loads((folder / BEST_FILENAME).read_text(encoding="utf-8"))
    for name, text in best["submissions"].items():
        write_whole(output / "submissions" / name, text)
    model = {"model": f"{folder.name}/{task.name}", "model_seed": best["seed"]}
    rows = [row | model for row in _rows(task, data, cells)]
    _write_card(folder / task.name, task, rows, {**asdict(config), "command": results["command"], "seeds": list(seeds)})
    results["rows"] += rows
    write_whole(output / "results.json", json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_whole(output / "results.md", markdown(results))


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
        return read_json(path)
    checkpoints, start = folder / f"seed-{seed}", time.monotonic()
    model = fine_tune(task, data, config, seed=seed, checkpoints=checkpoints)
    sets = data.evaluation_sets
    predicted = {name: predictions(task, score(model, split)) for name, split in sets.items()}
    metrics = {name: measure(task, predicted[name], split.labels) for name, split in sets.items()}
    submissions = {
        task.submission_filename(part): task.submission(split.index, predicted[f"test{part}"])
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
        before = read_json(kept)
        if before["seed"] != found["seed"] and before["score"] >= found["score"]:
            return
    save(model, folder / task.name)
    write_whole(kept, json.dumps(found, indent=2) + "\n")  # written last: it says whose weights the model has


def _write_card(directory: Path, task: Task, rows: Sequence[dict[str, Any]], settings: dict[str, Any]) -> None:
    """Write the card of a saved model: base, data, training settings and the scores of each seed."""
    data = HUB[task.suite][0]
    model = CrossEncoder(str(directory))
    frozen = embeddings_are_frozen(model, settings["freeze_embeddings"])
    settings = settings | {"embeddings": "frozen" if frozen else "trained"}
    write_card(directory, model, Facts(base_model=settings["base"], training_data=(data,)))
    path = directory / "README.md"
    card = path.read_text(encoding="utf-8").partition("## Measured\n")[0]
    if not task.choices:
        card = card.replace("from sentence_transformers", "from gemma_st")
        usage = TEXTS_USAGE if len(task.columns) == 1 else CLASSES_USAGE if task.labels else GRADES_USAGE
        card = card.replace(USAGE["CrossEncoder"], usage)
    options = [(name, str(value)) for name, value in settings.items() if name not in ("base", "command")]
    measured = [
        (f"{row['title']} {row['set']}", name, *(f"{100 * value:.1f}" for value in (*values, row["baseline"][name])))
        for row in rows
        for name, values in row["metrics"].items()
    ]
    header = ("set", "metric", *(f"seed {seed}" for seed in settings["seeds"]), "constant")
    sections = [
        card.rstrip(),
        "## Training settings",
        markdown_table(("", ""), options, left=(0, 1)),
        "## Measured",
        f"The model is that of seed {rows[0]['model_seed']}, the best on dev. The column `constant` "
        "has the score of the same prediction for every example.",
        f"`{settings['command']}`",
        markdown_table(header, measured, left=(0, 1)),
    ]
    write_whole(path, "\n\n".join(sections) + "\n")
