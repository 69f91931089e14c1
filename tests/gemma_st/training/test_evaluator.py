"""Tests of gemma_st.training.evaluator: the model is evaluated during training, and the best checkpoint is kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import CrossEncoder, ModelError
from gemma_st.training.config import read_config
from gemma_st.training.evaluator import EvaluationConfig, open_evaluator
from gemma_st.training.trainer import train
from ir_eval.pipeline.training_evaluator import rerank_evaluator
from tests.gemma_st.training.conftest import same, weights


def measured(directory: Path, measure: str = "eval_mrr@10") -> dict[int, float]:
    """Return the value of a measure at each step."""
    log = json.loads((directory / "training.json").read_text())["log"]
    return {entry["step"]: entry[measure] for entry in log if measure in entry}


@pytest.mark.parametrize("adapter", ["", "lora = { rank = 2 }\n"], ids=["full", "lora"])
def test_the_best_checkpoint_is_the_model_and_its_measure_is_what_a_fresh_load_gives(
    ranking: Callable[..., Path], dev: str, adapter: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Training uses every kind of dropout, evaluation none, and no score is cached on disk."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    more = "dropout = { attention = 0.3, feed_forward = 0.3, pooler = 0.3, head = 0.3 }\n" + adapter + dev
    file = ranking(more=more, trainer='lr_scheduler_type = "constant"\n')
    config = read_config(file)
    trained = train(config)
    found = measured(trained)
    assert list(found) == [2, 4, 6]
    best = max(found, key=found.__getitem__)
    ended = {name: tensor for name, tensor in weights(trained).items() if not name.startswith("base/")}
    assert same(ended, weights(trained / f"checkpoints/checkpoint-{best}"))
    assert config.evaluation
    evaluator = rerank_evaluator(**config.evaluation.options)
    for step, value in found.items():
        model = CrossEncoder(str(trained / f"checkpoints/checkpoint-{step}"), device="cpu")
        assert evaluator(model)["mrr@10"] == pytest.approx(value, abs=1e-6)
    assert not (tmp_path / "cache").exists()


def test_a_finished_stage_run_again_takes_no_step_more(ranking: Callable[..., Path], dev: str) -> None:
    """The last step is within an epoch, at a learning rate above 0; with the best weights and with the last ones."""
    for name, more in (("best", dev), ("last", "")):
        file = ranking(name, more=more, trainer='lr_scheduler_type = "constant"\n')
        file.write_text(file.read_text().replace("max_steps = 6", "max_steps = 4"))
        first = train(read_config(file))
        model, record = weights(first), (first / "training.json").read_text()
        assert same(weights(train(read_config(file))), model)
        again, once = json.loads((first / "training.json").read_text()), json.loads(record)
        assert again["step"] == once["step"]
        assert max(entry["step"] for entry in again["log"]) == 4


def test_measuring_changes_nothing_that_is_learned(ranking: Callable[..., Path], dev: str) -> None:
    """The order of the lists stays the same, and load_best_model_at_end = false keeps the last weights."""
    one = train(read_config(ranking("one", more=dev, trainer="load_best_model_at_end = false\n")))
    assert same(weights(one), weights(train(read_config(ranking("other")))))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "steps = 2",
            'steps = 2, name = "magic"',
            r"^\[evaluation\] name = 'magic' is not known; the installed evaluators are rerank",
        ),
        ("steps = 2", "steps = 2, speed = 1", r"^\[evaluation\] .*unexpected keyword argument 'speed'"),
        ('"mrr@10"', '"magic"', r"^\[evaluation\] .*magic"),
        ("run.trec", "absent.trec", r"^\[evaluation\] .*absent\.trec"),
        ("[trainer]", "[trainer]\neval_steps = 3", r"^\[trainer\] .*load_best_model_at_end"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    ranking: Callable[..., Path], dev: str, old: str, new: str, message: str
) -> None:
    """The line names the table."""
    file = ranking(more=dev)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ModelError, match=message) as error:
        train(read_config(file))
    assert "\n" not in str(error.value)


def test_without_an_installed_evaluator_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """This happens in a checkout that was installed before the project had evaluators."""
    monkeypatch.setattr("gemma_st.training.evaluator.entry_points", lambda group: [])
    with pytest.raises(ModelError, match="the installed evaluators are none; install this project again"):
        open_evaluator(EvaluationConfig(steps=2))
