"""The training curves of a model, drawn as SVG."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

Points = list[tuple[float, float]]
GREY = "#7f7f7f"  # readable on white and on black


def curves(log: Sequence[Mapping[str, Any]], measures: Sequence[str] = ()) -> dict[str, Points]:
    """Return (step, value) points of the loss and of each measure from the log of a trainer.

    Example:
        >>> curves([{"step": 1, "loss": 2.0}, {"step": 1, "eval_mrr@10": 0.5}], measures=["mrr@10"])
        {'loss': [(1.0, 2.0)], 'mrr@10': [(1.0, 0.5)]}
    """
    keys = {"loss": "loss", **{measure: f"eval_{measure}" for measure in measures}}
    found = {
        name: [(float(entry["step"]), float(entry[key])) for entry in log if key in entry] for name, key in keys.items()
    }
    return {name: points for name, points in found.items() if points}


def draw(lines: Mapping[str, Points]) -> str:
    """Return an SVG with one panel per curve; the group of each line has the name of its curve as id.

    Example:
        >>> draw({"loss": [(1, 2.0), (2, 1.5)]})[:5]
        '<?xml'
    """
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
