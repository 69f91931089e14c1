"""The record of a training run beside its model, ``training.json`` and a picture, and its section in the model card."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import tomli_w

from gemma_st.errors import ModelError
from gemma_st.files import write_whole
from gemma_st.provenance import commit
from gemma_st.settings import read_json

RECORD_FILENAME, PICTURE_FILENAME = "training.json", "training.svg"
PACKAGES = ("torch", "transformers", "sentence-transformers", "accelerate")  # whose versions are recorded
GREY = "#7f7f7f"  # readable on white and on black
Log = Sequence[Mapping[str, Any]]
Points = list[tuple[float, float]]


def write_record(directory: Path, stage: Mapping[str, Any], log: Log, *, measures: Sequence[str], step: int) -> None:
    """Write ``training.json`` and ``training.svg`` into the directory of a model trained with a resolved stage.

    ``log`` is the log of the trainer, and ``step`` the step whose weights were kept.

    Examples:
        >>> stage, log = {"lists": [{"file": "lists.jsonl"}]}, [{"step": 1, "loss": 0.7}]
        >>> write_record(Path("reranker"), stage, log, measures=[], step=1)
    """
    record = {
        "stage": stage,
        "commit": commit(),
        "versions": {name: version(name) for name in PACKAGES},
        "data": [_origin(Path(list_["file"])) for list_ in stage["lists"]],
        "measures": list(measures),
        "step": step,
        "log": log,
    }
    write_whole(directory / RECORD_FILENAME, json.dumps(record, indent=1) + "\n")
    if lines := _curves(log, measures):
        write_whole(directory / PICTURE_FILENAME, _draw(lines))


def describe_training(directory: Path) -> str:
    """Return the model card's section on the training run, in Markdown; empty if the directory has no record.

    Examples:
        >>> describe_training(Path("decoder"))
        ''
    """
    path = directory / RECORD_FILENAME
    if not path.exists():
        return ""
    try:
        record = read_json(path)
        lines = _curves(record["log"], record["measures"])
        built = [f"commit `{record['commit']}`"] if record["commit"] else []
        built += [f"{name} {number}" for name, number in record["versions"].items()]
        rows = "\n".join(f"| {name} | {_point(*points[0])} | {_point(*points[-1])} |" for name, points in lines.items())
        table = f"![curves]({PICTURE_FILENAME})\n\n| | first | last |\n|---|--:|--:|\n{rows}\n\n" if lines else ""
        return (
            f"{table}The weights are those of step {record['step']}. Trained by `gemma-st train` with "
            f"{', '.join(built)}; `{RECORD_FILENAME}` holds the whole log. The stage:\n\n"
            f"```toml\n{tomli_w.dumps(record['stage'])}\n```"
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: no record of a training run ({error!r}); delete the file") from error


def data_names(stage: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a stage's training data: the collection that a file of lists was mined from, or its name.

    Examples:
        >>> data_names({"lists": [{"file": "lists.jsonl"}]})
        ('lists',)
    """
    paths = [Path(list_["file"]) for list_ in stage["lists"]]
    names = [(_origin(path).get("collection"), path.stem) for path in paths]
    return tuple(dict.fromkeys(name if isinstance(name, str) else stem for name, stem in names))


def _curves(log: Log, measures: Sequence[str]) -> dict[str, Points]:
    """Return the (step, value) points of the loss and of each measure that the log contains."""
    keys = {"loss": "loss", **{measure: f"eval_{measure}" for measure in measures}}
    found = {
        name: [(float(entry["step"]), float(entry[key])) for entry in log if key in entry] for name, key in keys.items()
    }
    return {name: points for name, points in found.items() if points}


def _draw(lines: Mapping[str, Points]) -> str:
    """Return an SVG with one panel per curve; the id of a curve's group is the name of the curve."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text stays text, and equal curves give equal files.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gemma_st", "font.size": 9}):
        figure = Figure(figsize=(5.8, 1.7 * len(lines)), layout="constrained")
        panels = figure.subplots(len(lines), sharex=True, squeeze=False)[:, 0]
        for place, (panel, (name, points)) in enumerate(zip(panels, lines.items(), strict=True)):
            marker = "." if len(points) <= 40 else ""
            panel.plot(*zip(*points, strict=True), color=f"C{place}", marker=marker, gid=name)
            panel.set_title(name, loc="left", color=f"C{place}")
            panel.tick_params(colors=GREY)
            panel.spines[:].set_color(GREY)
            panel.spines[["top", "right"]].set_visible(False)
        panels[-1].set_xlabel("step", color=GREY)
        panels[-1].locator_params(axis="x", integer=True)
        file = StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return file.getvalue()


def _point(step: float, value: float) -> str:
    return f"{value:.4f} (step {step:.0f})"


def _origin(path: Path) -> dict[str, Any]:
    """Return the settings that ``ir-eval mine`` wrote beside a file of lists, or the name of the file."""
    beside = path.with_suffix(".json")
    if path.suffix != ".jsonl" or not beside.exists():
        return {"file": path.name}
    return read_json(beside)
