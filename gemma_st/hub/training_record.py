"""The record of a training run beside its model, ``training.json`` and a picture, and its section in the model card."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w

from gemma_st.errors import ModelError
from gemma_st.files import write_whole
from gemma_st.hub.curves import curves, draw
from gemma_st.provenance import commit

RECORD_FILENAME, PICTURE_FILENAME = "training.json", "training.svg"
PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate")  # whose versions are recorded


class History(NamedTuple):
    """The log of a trainer, the names of the evaluator's measures, and the step whose weights were kept.

    Example:
        >>> History(log=[{"step": 1, "loss": 0.7}], measures=[], step=1).step
        1
    """

    log: list[dict[str, Any]]
    measures: Sequence[str]
    step: int


def write_record(directory: Path, stage: Mapping[str, Any], history: History) -> None:
    """Write ``training.json`` and ``training.svg`` into the directory of a model trained with a resolved stage.

    Example:
        >>> history = History([{"step": 1, "loss": 0.7}], [], 1)
        >>> write_record(Path("reranker"), {"lists": [{"file": "lists.jsonl"}]}, history)
        >>> Path("reranker/training.svg").exists()
        True
    """
    record = {
        "stage": stage,
        "commit": commit(),
        "versions": {name: version(name) for name in PACKAGES},
        "data": [_origin(Path(list_["file"])) for list_ in stage["lists"]],
        "measures": list(history.measures),
        "step": history.step,
        "log": history.log,
    }
    write_whole(directory / RECORD_FILENAME, json.dumps(record, indent=1) + "\n")
    if lines := curves(history.log, history.measures):
        write_whole(directory / PICTURE_FILENAME, draw(lines))


def describe_training(directory: Path) -> str:
    """Return the model card's section on the training run, in Markdown; empty if the directory has no record.

    Example:
        >>> describe_training(Path("decoder"))
        ''
    """
    path = directory / RECORD_FILENAME
    if not path.exists():
        return ""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        lines = curves(record["log"], record["measures"])
        built = [f"commit `{record['commit']}`"] if record["commit"] else []
        built += [f"{name} {number}" for name, number in record["versions"].items()]
        rows = "\n".join(f"| {name} | {_point(*points[0])} | {_point(*points[-1])} |" for name, points in lines.items())
        table = f"![curves]({PICTURE_FILENAME})\n\n| | first | last |\n|---|--:|--:|\n{rows}\n\n" if lines else ""
        return (
            f"{table}The weights are those of step {record['step']}. Trained by `gemma-st train` with "
            f"{', '.join(built)}; `{RECORD_FILENAME}` holds the whole log. The stage:\n\n"
            f"```toml\n{tomli_w.dumps(record['stage'])}\n```"
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: no record of a training run ({error!r}); delete the file") from error


def data_names(stage: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a stage's training data: the collection that a file of lists was mined from, or its name.

    Example:
        >>> data_names({"lists": [{"file": "lists.jsonl"}]})
        ('lists',)
    """
    paths = [Path(list_["file"]) for list_ in stage["lists"]]
    return tuple(dict.fromkeys(_origin(path).get("collection", path.stem) for path in paths))


def _point(step: float, value: float) -> str:
    return f"{value:.4f} (step {step:.0f})"


def _origin(path: Path) -> dict[str, Any]:
    """Return the settings that ``ir-eval mine`` wrote beside a file of lists, or the name of the file."""
    beside = path.with_suffix(".json")
    if path.suffix != ".jsonl" or not beside.exists():
        return {"file": path.name}
    origin: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return origin
