"""Tests of gemma_st.hub.training_record and gemma_st.hub.curves."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.hub.card import Facts, lacking
from gemma_st.hub.curves import curves, draw
from gemma_st.hub.export import export
from gemma_st.hub.saving import open_model
from gemma_st.provenance import commit
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train


def test_a_trained_model_has_its_card_record_and_picture(
    ranking: Callable[..., Path], dev: str, lists: Path, tiny_gemma: Path, tmp_path: Path
) -> None:
    """Data, settings, commit and curves are those of the run; a card written later tells them too."""
    mined = tmp_path / "mined.jsonl"
    mined.write_text(lists.read_text())
    mined.with_suffix(".json").write_text(json.dumps({"collection": "nq", "split": "train", "seed": 7}))
    file = ranking(more=dev)
    file.write_text(file.read_text().replace(str(lists), str(mined)))
    trained = train(read_config(file))
    record = json.loads((trained / "training.json").read_text())
    assert record["data"] == [{"collection": "nq", "split": "train", "seed": 7}]
    assert record["commit"] == commit()
    assert record["measures"] == ["mrr@10", "ndcg@10"]
    assert [entry["step"] for entry in record["log"] if "eval_mrr@10" in entry] == [2, 4, 6]
    card = (trained / "README.md").read_text()
    values = {entry["step"]: entry["eval_mrr@10"] for entry in record["log"] if "eval_mrr@10" in entry}
    assert f"The weights are those of step {max(values, key=values.__getitem__)}." in card
    assert lacking(trained, open_model(trained)) == ["license", "measured"]
    assert f"| base model | {tiny_gemma} |" in card
    assert "## Training data\n\n- nq\n" in card
    stage = tomllib.loads(re.findall("```toml\n(.*?)```", card, re.DOTALL)[0])
    assert stage == record["stage"]
    assert (stage["loss"], stage["trainer"]["learning_rate"]) == ({"name": "softmax"}, 0.01)
    first, *_, last = [entry["eval_ndcg@10"] for entry in record["log"] if "eval_ndcg@10" in entry]
    assert f"| ndcg@10 | {first:.4f} (step 2) | {last:.4f} (step 6) |" in card
    picture = (trained / "training.svg").read_text()
    assert re.findall(r'" fill="#\w+">([a-z][^<]+)</text>', picture) == ["loss", "mrr@10", "ndcg@10"]
    assert [points.count(",") for points in re.findall('points="([^"]*)"', picture)] == [6, 3, 3]
    copy = export(str(trained), tmp_path / "copy", Facts("base", "gemma", ("nq",)))
    assert "training.svg" in (copy / "README.md").read_text()
    assert (copy / "training.svg").exists()


def test_curves_rise_and_are_one_a_measure() -> None:
    """The first point is on the left, and the highest value at the top."""
    lines = curves([{"step": 1, "loss": 2.0}, {"step": 3, "loss": 1.0}, {"step": 3, "eval_mrr": 0.5}], ["mrr", "none"])
    assert lines == {"loss": [(1.0, 2.0), (3.0, 1.0)], "mrr": [(3.0, 0.5)]}
    points = re.findall('points="([^"]*)"', draw(lines))
    (left, top), (right, bottom) = (map(float, point.split(",")) for point in points[0].split())
    assert (left < right, top < bottom) == (True, True)
    assert "nan" not in draw(lines)


def test_what_is_no_record_is_one_line(tiny_reranker: Path, tmp_path: Path) -> None:
    """Named."""
    copy = export(str(tiny_reranker), tmp_path / "copy")
    (copy / "training.json").write_text("[]")
    with pytest.raises(ModelError, match="training.json: no record of a training") as error:
        export(str(copy), tmp_path / "other", Facts("base"))
    assert "\n" not in str(error.value)
