"""Forest plot of a factor: a panel for each task, a row for each value, a dot for each difference and its interval."""

import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gemma_st.study.tables import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, ROW_HEIGHT, PANEL_HEIGHT = 7.5, 0.28, 0.9  # inches; the height of a panel without its rows
BETTER, WORSE, UNSURE = "#00897b", "#d84315", "#7f7f7f"  # legible on white and on black
STYLE: dict[Any, Any] = {
    **{"svg.hashsalt": "gemma-st", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 10},
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), UNSURE),
    **dict.fromkeys(("axes.spines.top", "axes.spines.left", "axes.spines.right"), False),
    **{"ytick.major.size": 0, "figure.constrained_layout.w_pad": 0.12, "figure.constrained_layout.h_pad": 0.08},
}


def draw(factor: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return an SVG of the rows of [gemma_st.study.differences.compare][]. An interval that excludes 0 is coloured.

    Examples:
        >>> row = {"task": "rte", "measure": "accuracy", "baseline": "mlp", "value": "linear", "difference": -0.02,
        ...        "interval": [-0.03, -0.01]}
        >>> "rte: head against mlp" in draw("head", [row])
        True
    """
    import matplotlib
    from matplotlib.figure import Figure

    panels = [list(panel) for _, panel in groupby(rows, key=lambda row: row["task"])]
    heights = [PANEL_HEIGHT + ROW_HEIGHT * len(panel) for panel in panels]
    svg = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        places = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel in zip(places, panels, strict=True):
            _draw_panel(axes, factor, panel)
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None, "Title": factor})
    return svg.getvalue()


def _draw_panel(axes: "Axes", factor: str, rows: Sequence[Mapping[str, Any]]) -> None:
    task, places = rows[0]["task"], range(len(rows))
    colours = [_colour(row["interval"]) for row in rows]
    axes.axvline(0, color=UNSURE, linestyle=":", linewidth=1, gid=f"zero-{task}")
    for place, row, colour in zip(places, rows, colours, strict=True):
        if row["interval"]:
            axes.plot([100 * end for end in row["interval"]], [place, place], color=colour, linewidth=2)
    axes.scatter([100 * row["difference"] for row in rows], places, c=colours, zorder=3, gid=f"differences-{task}")
    axes.set_title(f"{task}: {factor} against {rows[0]['baseline']}", loc="left", weight="bold")
    axes.set_title("difference, 95 % interval", loc="right", fontsize="small")
    axes.set_xlabel(f"{rows[0]['measure']}, difference in points; to the right is better", fontsize="small")
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(places, [row["value"] for row in rows])
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [_figures(row) for row in rows])
    right.spines["right"].set_visible(False)


def _colour(interval: Sequence[float] | None) -> str:
    low, high = interval or (0.0, 0.0)
    return BETTER if low > 0 else WORSE if high < 0 else UNSURE


def _figures(row: Mapping[str, Any]) -> str:
    """Return the difference and its interval in percent."""
    ends = f"  [{', '.join(map(signed, row['interval']))}]" if row["interval"] else ""
    return signed(row["difference"]) + ends
