"""What a training leaves beside its model: ``training.json``, a picture of its curves, and their place in the card."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli_w

from gemma_st.errors import ModelError
from gemma_st.hub.curves import curves, draw
from gemma_st.provenance import commit

if TYPE_CHECKING:
    from gemma_st.training.stage import Stage

FILE, PICTURE = "training.json", "training.svg"
PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate")


class History(NamedTuple):
    """What happened while a model was trained.

    Attributes:
        log: The trainer's, a dictionary an entry.
        measures: What the model was measured by.
        step: Whose weights were kept.
    """

    log: list[dict[str, Any]]
    measures: Sequence[str]
    step: int


def write_record(directory: Path, stage: "Stage", history: History) -> None:
    """Write ``training.json`` and ``training.svg`` into a trained model's directory.

    Args:
        directory: The model's.
        stage: All that decided its weights.
        history: What happened.
    """
    record = {
        "stage": stage,
        "commit": commit(),
        "versions": {name: version(name) for name in PACKAGES},
        "data": [_provenance(Path(list_["file"])) for list_ in stage["lists"]],
        "measures": list(history.measures),
        "step": history.step,
        "log": history.log,
    }
    lines = curves(history.log, history.measures)
    files = {FILE: json.dumps(record, indent=1) + "\n", **({PICTURE: draw(lines)} if lines else {})}
    for name, content in files.items():
        (directory / f".{name}").write_text(content, encoding="utf-8")
        (directory / f".{name}").replace(directory / name)


def describe_training(directory: Path) -> str:
    """Return the card's section on how a model was trained, in Markdown; empty if nothing was left beside it.

    Args:
        directory: The model's.

    Raises:
        ModelError: ``training.json`` is not one.
    """
    path = directory / FILE
    if not path.exists():
        return ""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        lines = curves(record["log"], record["measures"])
        at = f"commit `{record['commit']}`, " if record["commit"] else ""
        versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        rows = "\n".join(f"| {name} | {_at(points[0])} | {_at(points[-1])} |" for name, points in lines.items())
        picture = f"![curves]({PICTURE})\n\n| | first | last |\n|---|--:|--:|\n{rows}\n\n" if lines else ""
        return (
            f"{picture}The weights are those of step {record['step']}. By `gemma-st train`, {at}{versions}; "
            f"the whole log is in `{FILE}`. The stage:\n\n"
            f"```toml\n{tomli_w.dumps(record['stage'])}\n```"
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: no record of a training ({error!r}); delete it") from error


def data_names(stage: "Stage") -> tuple[str, ...]:
    """Return what a stage was trained on: the collection of each file of lists, where that says it, else its name."""
    found = [(Path(list_["file"]), _provenance(Path(list_["file"]))) for list_ in stage["lists"]]
    return tuple(dict.fromkeys(origin.get("collection", path.stem) for path, origin in found))


def _at(point: tuple[float, float]) -> str:
    return f"{point[1]:.4f} (step {point[0]:.0f})"


def _provenance(path: Path) -> dict[str, Any]:
    """Return what ``ir-eval mine`` wrote beside a file of lists, if it did."""
    beside = path.with_suffix(".json")
    if path.suffix != ".jsonl" or not beside.exists():
        return {"file": path.name}
    origin: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return origin
