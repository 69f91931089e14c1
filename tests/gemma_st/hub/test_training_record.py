"""Tests of gemma_st.hub.training_record: the record of a training run, its picture, and its section of the card."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.hub.card import Facts, missing_facts
from gemma_st.hub.export import export
from gemma_st.hub.saving import open_model
from gemma_st.hub.training_record import _curves, _draw
from gemma_st.provenance import commit
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train

STAGE = """\
output = "{output}"
lists = ["{lists}"]
{dev}
model = {{ base = "{base}" }}
loss = {{ name = "softmax" }}
[trainer]
use_cpu = true
max_steps = 6
save_steps = 2
logging_steps = 1
per_device_train_batch_size = 2
learning_rate = 1e-2
disable_tqdm = true
"""


def points(picture: str) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each line of a picture, in pixels from the upper left corner."""
    paths = re.findall(r'<g id="([^"]+)">\s*<path d="([^"]*)" clip-path', picture)
    number = r"([-\d.]+)"
    return {
        name: [(float(x), float(y)) for x, y in re.findall(f"[ML] {number} {number}", path)] for name, path in paths
    }


def test_a_trained_model_has_its_card_record_and_picture(
    dev: str, lists: Path, tiny_gemma: Path, tmp_path: Path
) -> None:
    """They state data, settings, commit and curves of the run; so does a card that is written later."""
    mined = tmp_path / "mined.jsonl"
    mined.write_text(lists.read_text())
    mined.with_suffix(".json").write_text(json.dumps({"collection": "nq", "split": "train", "seed": 7}))
    file = tmp_path / "stage.toml"
    file.write_text(STAGE.format(output=tmp_path / "trained", lists=mined, dev=dev, base=tiny_gemma))
    trained = train(read_config(file))
    record = json.loads((trained / "training.json").read_text())
    assert record["data"] == [{"collection": "nq", "split": "train", "seed": 7}]
    assert record["commit"] == commit()
    assert record["measures"] == ["mrr@10", "ndcg@10"]
    assert [entry["step"] for entry in record["log"] if "eval_mrr@10" in entry] == [2, 4, 6]
    card = (trained / "README.md").read_text()
    values = {entry["step"]: entry["eval_mrr@10"] for entry in record["log"] if "eval_mrr@10" in entry}
    assert f"The weights are those of step {max(values, key=values.__getitem__)}." in card
    assert missing_facts(trained, open_model(trained)) == ["license", "measured"]
    assert f"| base model | {tiny_gemma} |" in card
    assert "## Training data\n\n- nq\n" in card
    stage = tomllib.loads(re.findall("```toml\n(.*?)```", card, re.DOTALL)[0])
    assert stage == record["stage"]
    assert (stage["loss"], stage["trainer"]["learning_rate"]) == ({"name": "softmax"}, 0.01)
    first, *_, last = [entry["eval_ndcg@10"] for entry in record["log"] if "eval_ndcg@10" in entry]
    assert f"| ndcg@10 | {first:.4f} (step 2) | {last:.4f} (step 6) |" in card
    picture = (trained / "training.svg").read_text()
    assert {name: len(line) for name, line in points(picture).items()} == {"loss": 6, "mrr@10": 3, "ndcg@10": 3}
    assert re.findall(r">([a-z][^<]+)</text>", picture) == ["loss", "mrr@10", "step", "ndcg@10"]
    copy = export(str(trained), tmp_path / "copy", Facts("base", "gemma", ("nq",)))
    assert "training.svg" in (copy / "README.md").read_text()
    assert (copy / "training.svg").exists()


def test_each_measure_has_a_curve_with_high_values_at_the_top() -> None:
    """The first step is on the left; equal curves give equal pictures, without a date."""
    lines = _curves([{"step": 1, "loss": 2.0}, {"step": 3, "loss": 1.0}, {"step": 3, "eval_mrr": 0.5}], ["mrr", "none"])
    assert lines == {"loss": [(1.0, 2.0), (3.0, 1.0)], "mrr": [(3.0, 0.5)]}
    picture = _draw(lines)
    (left, top), (right, bottom) = points(picture)["loss"]
    assert (left < right, top < bottom) == (True, True)
    assert [round(x, 3) for x, _ in points(picture)["mrr"]] == [round(right, 3)]
    assert "nan" not in picture
    assert "date" not in picture
    assert _draw(lines) == picture


def test_a_malformed_record_is_an_error_of_one_line(tiny_reranker: Path, tmp_path: Path) -> None:
    """The error begins with the path of the file."""
    copy = export(str(tiny_reranker), tmp_path / "copy")
    (copy / "training.json").write_text("[]")
    with pytest.raises(ModelError, match="training.json: no record of a training") as error:
        export(str(copy), tmp_path / "other", Facts("base"))
    assert "\n" not in str(error.value)
