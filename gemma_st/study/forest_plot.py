"""A question as a forest plot: a panel a task, a row a value, the difference as a dot and its interval as a line."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

from gemma_st.study.tables import signed

WIDTH, ROW, HEAD, FOOT, LETTER = 720, 24, 50, 42, 6.4  # LETTER: width of one, at most
FIGURES = 178  # room for the difference and its interval, in figures
TICKS = 5
BETTER, WORSE, UNSURE, LINE = "#00897b", "#d84315", "#7f7f7f", "#9e9e9e"  # seen on white and on black
FONT = 'font-family="sans-serif" font-size="12" fill="#7f7f7f"'


def draw(factor: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return an SVG with every row of a question. An interval without 0 is in colour.

    Args:
        factor: What the question is about.
        rows: As [gemma_st.study.differences.compare][] returns them; at least one.
    """
    panels: list[list[Mapping[str, Any]]] = []
    for row in rows:
        if not panels or panels[-1][0]["task"] != row["task"]:
            panels.append([])
        panels[-1].append(row)
    left = 24 + LETTER * max(len(row["value"]) for row in rows)
    drawn, top = [], 8
    for panel in panels:
        drawn.append(_panel(factor, panel, top=top, left=left))
        top += HEAD + ROW * len(panel) + FOOT
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" role="img" aria-label="{escape(factor)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {FONT}>\n' + "\n".join(drawn) + "\n</svg>\n"


def _panel(factor: str, rows: Sequence[Mapping[str, Any]], *, top: int, left: float) -> str:
    ends = [100 * end for row in rows for end in (row["interval"] or [row["difference"]])]
    ticks = _ticks(min(0.0, *ends), max(0.0, *ends))
    right, bottom = WIDTH - FIGURES, top + HEAD + ROW * len(rows)

    def at(value: float) -> float:
        return round(left + (right - left) * (value - ticks[0]) / (ticks[-1] - ticks[0]), 1)

    title = f"{rows[0]['task']}: {factor} against {rows[0]['baseline']}"
    parts = [
        f'<text x="12" y="{top + 18}" font-size="13" font-weight="bold">{escape(title)}</text>',
        f'<text x="{WIDTH - 12}" y="{top + 38}" text-anchor="end" font-size="11">difference, 95 % interval</text>',
        f'<path d="M{at(0)} {top + HEAD - 8}V{bottom}" stroke="{LINE}" stroke-dasharray="3 3"/>',
        f'<path d="M{left} {bottom}H{right}" stroke="{LINE}"/>',
    ]
    for tick in ticks:
        spelled = f"{tick:+g}".replace("-", "\N{MINUS SIGN}") if tick else "0"
        parts.append(f'<path d="M{at(tick)} {bottom}v4" stroke="{LINE}"/>')
        parts.append(f'<text x="{at(tick)}" y="{bottom + 16}" text-anchor="middle" font-size="11">{spelled}</text>')
    axis = escape(f"{rows[0]['measure']}, difference in points; to the right is better")
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 32}" text-anchor="middle" font-size="11">{axis}</text>')
    for place, row in enumerate(rows):
        middle = top + HEAD + ROW * place + ROW // 2
        ends_ = [at(100 * end) for end in row["interval"] or ()]
        parts.append(_row(row, middle=middle, dot=at(100 * row["difference"]), ends=ends_))
    return "<g>" + "\n".join(parts) + "</g>"


def _row(row: Mapping[str, Any], *, middle: int, dot: float, ends: Sequence[float]) -> str:
    low, high = row["interval"] or (0.0, 0.0)
    colour = BETTER if low > 0 else WORSE if high < 0 else UNSURE
    figures = signed(row["difference"]) + (f"  [{signed(low)}, {signed(high)}]" if ends else "")
    whisker = f'<path d="M{ends[0]} {middle}H{ends[1]}" stroke="{colour}" stroke-width="2"/>' if ends else ""
    return (
        f'<text x="12" y="{middle + 4}">{escape(row["value"])}</text>{whisker}'
        f'<circle cx="{dot}" cy="{middle}" r="4.5" fill="{colour}"/>'
        f'<text x="{WIDTH - 12}" y="{middle + 4}" text-anchor="end">{figures}</text>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that hold a range between them."""
    rough = ((high - low) or 1.0) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return [
        round(step * place, 10) for place in range(floor(low / step), max(ceil(high / step), floor(low / step) + 1) + 1)
    ]
