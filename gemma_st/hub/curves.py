"""The curves of a training, as a picture without any library: SVG."""

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, MARGIN = 560, 180, 46
COLOURS = ("#3f51b5", "#d84315", "#00897b", "#6d4c41")
Points = list[tuple[float, float]]


def curves(history: Sequence[dict[str, Any]], measures: Sequence[str] = ()) -> dict[str, Points]:
    """Return (step, value) of the loss and of each measure, from a trainer's log.

    Args:
        history: The log, a dictionary an entry.
        measures: What an evaluator measures; the log says ``eval_`` before them.
    """
    names = {"loss": "loss", **{f"eval_{measure}": measure for measure in measures}}
    found = {
        label: [(float(entry["step"]), float(entry[name])) for entry in history if name in entry]
        for name, label in names.items()
    }
    return {label: points for label, points in found.items() if points}


def draw(lines: dict[str, Points]) -> str:
    """Return an SVG with a panel a line, steps from left to right and values from bottom to top.

    Args:
        lines: What `curves` returned; at least one.
    """
    panels = [_panel(label, points, place) for place, (label, points) in enumerate(lines.items())]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT * len(panels)}" width="{WIDTH}"'
    style = 'font-family="sans-serif" font-size="11" fill="#666"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(panels) + "\n</svg>\n"


def _panel(label: str, points: Points, place: int) -> str:
    steps, values = zip(*points, strict=True)
    left, right, top, bottom = MARGIN, WIDTH - 12, HEIGHT * place + 24, HEIGHT * (place + 1) - 24
    low, high = min(values), max(values)
    colour = COLOURS[place % len(COLOURS)]

    def at(step: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * (step - min(steps)) / ((max(steps) - min(steps)) or 1)
        return round(x, 1), round(bottom - (bottom - top) * (value - low) / ((high - low) or 1), 1)

    dots = [at(*point) for point in points]
    path = " ".join(f"{x},{y}" for x, y in dots)
    marks = "".join(f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>' for x, y in dots if len(dots) <= 40)
    return (
        f'<g><text x="{left}" y="{top - 8}" fill="{colour}">{label.replace("<", "&lt;")}</text>'
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#ccc"/>'
        f'<text x="{left - 4}" y="{top + 4}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{left}" y="{bottom + 14}">{min(steps):.0f}</text>'
        f'<text x="{right}" y="{bottom + 14}" text-anchor="end">step {max(steps):.0f}</text>'
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{marks}</g>'
    )
