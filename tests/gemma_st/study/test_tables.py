"""Tests of gemma_st.study.tables and forest_plot: every row is present and in its place."""

from typing import Any
from xml.etree import ElementTree

import pytest

from gemma_st.study.forest_plot import BETTER, UNSURE, WORSE, draw
from gemma_st.study.tables import _settings_table, markdown

SVG = "{http://www.w3.org/2000/svg}"


def row(task: str, value: str, difference: float, half: float | None) -> dict[str, Any]:
    """Make a row of a comparison."""
    ends = None if half is None else [difference - half, difference + half]
    said = {"task": task, "measure": "accuracy", "baseline": "mean", "value": value, "pairs": 3}
    return {**said, "baseline_mean": 0.5, "value_mean": 0.5 + difference, "difference": difference, "interval": ends}


ROWS = [row("sst-2", "last", 0.02, 0.01), row("sst-2", "a<b", -0.03, 0.02), row("ranking", "last", 0.001, None)]


def places(svg: str, task: str) -> tuple[float, list[tuple[float, str]]]:
    """Return the place of the zero line, and place and colour of each dot of a panel."""
    groups = {group.attrib.get("id"): group for group in ElementTree.fromstringlist([svg]).iter(f"{SVG}g")}
    path = groups[f"zero-{task}"].find(f"{SVG}path")
    assert path is not None
    dots = groups[f"differences-{task}"].iter(f"{SVG}use")
    found = [(float(dot.attrib["x"]), dot.attrib["style"].partition("fill: ")[2][:7]) for dot in dots]
    return float(path.attrib["d"].split()[1]), found


def test_the_picture_has_a_panel_a_task_and_every_row_at_its_place() -> None:
    """Intervals that exclude 0 are coloured, and better values are to the right of the zero line."""
    svg = draw("pooler", ROWS)
    texts = ["".join(text.itertext()) for text in ElementTree.fromstringlist([svg]).iter(f"{SVG}text")]
    assert [text for text in texts if "against" in text] == [
        "sst-2: pooler against mean",
        "ranking: pooler against mean",
    ]
    assert {"last", "a<b", "accuracy, difference in points; to the right is better", "0"} <= set(texts)
    assert {"+2.0  [+1.0, +3.0]", "\N{MINUS SIGN}3.0  [\N{MINUS SIGN}5.0, \N{MINUS SIGN}1.0]", "+0.1"} <= set(texts)
    zero, (better, worse) = places(svg, "sst-2")
    assert worse[0] < zero < better[0]
    assert (zero - worse[0]) / (better[0] - zero) == pytest.approx(1.5, abs=0.01)
    zero, (unsure,) = places(svg, "ranking")
    assert zero < unsure[0]
    assert [colour for _, colour in (better, worse, unsure)] == [BETTER, WORSE, UNSURE]


def test_the_same_rows_give_the_same_picture() -> None:
    """The SVG is deterministic, and no figure is registered with pyplot."""
    from matplotlib import pyplot

    assert draw("pooler", ROWS) == draw("pooler", ROWS)
    assert pyplot.get_fignums() == []


def cell(task: str, pooler: str, seed: int, score: float) -> dict[str, Any]:
    """Make a finished cell."""
    settings = {
        "attention": "causal",
        "pooler": pooler,
        "dropout": {"head": 0.0},
        "padding_side": "right",
        "head": "mlp",
    }
    return {"task": task, "settings": settings, "seed": seed, "measures": {"accuracy": score}}


def test_the_tables_have_every_figure() -> None:
    """Scores are in percent; constant factors are listed once, and a mean over fewer seeds has their number."""
    cells = [cell("sst-2", "mean", 0, 0.5), cell("sst-2", "mean", 1, 0.6), cell("sst-2", "last", 0, 0.7)]
    assert _settings_table([*cells, cell("ranking", "last", 0, 0.25)]) == [
        ("pooler", "sst-2, accuracy", "ranking, accuracy"),
        ("mean", "55.0 ± 7.1", ""),
        ("last", "70.0 (1)", "25.0 (1)"),
    ]
    text = markdown({"cells": cells, "missing": 1, "seeds": 2, "questions": {"pooler": ROWS}})
    assert text.startswith("3 of 4 cells, 2 seeds.\n")
    assert "| sst-2 | accuracy | last | 52.0 | mean | 50.0 | +2.0 | +1.0 to +3.0 | 3 |\n" in text
    assert "| ranking | accuracy | last | 50.1 | mean | 50.0 | +0.1 | – | 3 |\n" in text
    assert "![pooler](pooler.svg)" in text
    assert "Always: attention causal, dropout 0, padding_side right, head mlp.\n" in text
    assert markdown({"cells": [], "missing": 4, "seeds": 2, "questions": {}}).startswith("0 of 4 cells")
