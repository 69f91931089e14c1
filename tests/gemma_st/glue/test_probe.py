"""Tests of gemma_st.glue.probe: the last layer minimises the loss, and no other weight changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.finetune import fine_tune, score
from gemma_st.glue.metrics import measure, predictions
from gemma_st.glue.probe import PENALTY, fit_last_layer
from gemma_st.glue.task_model import build
from gemma_st.glue.tasks import TASKS
from tests.gemma_st.training.conftest import same


@pytest.mark.parametrize("name", ["cola", "cb", "copa", "sts-b"])
def test_the_last_layer_is_fitted_and_the_rest_left_alone(
    name: str, files: Callable[..., str], tiny_gemma: Path
) -> None:
    """Separable texts, pairs, choices and grades are separated by the last layer alone."""
    task = TASKS[name]
    data = load(task, files(name, count=24))
    torch.manual_seed(0)
    model = build(task, GlueConfig(base=str(tiny_gemma)))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fit_last_layer(task, model, data.train, batch_size=5)
    after = model.state_dict()
    assert {key for key in before if not torch.equal(before[key], after[key])} == {"4.linear.weight", "4.linear.bias"}
    labels = data.train.labels
    assert labels is not None
    found = measure(task, predictions(task, score(model, data.train)), labels)
    assert found[task.metrics[0]] > (0.9 if task.labels else 0.7)  # grades are seen up to three words only


def test_grades_are_fitted_as_ridge_regression_does(files: Callable[..., str], tiny_gemma: Path) -> None:
    """The weights solve (XᵀX / n + 0.1 I) w = Xᵀy / n for standardised X and centred y."""
    task = TASKS["sts-b"]
    data = load(task, files("sts-b", count=24))
    torch.manual_seed(0)
    model = build(task, GlueConfig(base=str(tiny_gemma)))
    hidden: list[torch.Tensor] = []
    model.eval()
    with torch.no_grad():
        for pair in data.train.texts:
            features = model.preprocess([pair])
            for module in list(model)[:-1]:
                features = module(features)
            hidden.append(features["sentence_embedding"][0])
    x = torch.stack(hidden).double().numpy()
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    y = np.asarray(data.train.labels) / 5
    weight = np.linalg.solve(x.T @ x / len(y) + PENALTY * np.eye(x.shape[1]), x.T @ (y - y.mean()) / len(y))
    fit_last_layer(task, model, data.train)
    assert np.allclose(score(model, data.train)[:, 0], x @ weight + y.mean(), atol=2e-3)


def test_without_epochs_the_probe_is_all(files: Callable[..., str], tiny_gemma: Path, tmp_path: Path) -> None:
    """With 0 epochs the backbone keeps the weights of the base."""
    task = TASKS["cola"]
    data = load(task, files("cola", count=24))
    config = GlueConfig(base=str(tiny_gemma), probe=True, epochs=0)
    model = fine_tune(task, data, config, seed=0, checkpoints=tmp_path / "checkpoints")
    fresh = build(task, config)
    assert same(model[0].state_dict(), fresh[0].state_dict())
    assert not (tmp_path / "checkpoints").exists()
    assert (score(model, data.dev[""]).argmax(1) == data.dev[""].labels).mean() > 0.9


def test_what_a_cross_encoder_compares_is_not_lost(data: Path, tmp_path: Path) -> None:
    """The score of the packaged model is a feature of its own: its single features hide the comparison of the texts."""
    task = TASKS["sts-b"]
    stsb = load(task, str(data / "glue"))
    few = replace(stsb, train=stsb.train.take(np.arange(400)))
    config = GlueConfig(base="gemma-encoder-msmarco", pooler="own", probe=True, epochs=0)
    model = fine_tune(task, few, config, seed=0, checkpoints=tmp_path / "checkpoints")
    dev = stsb.dev[""].take(np.arange(200))
    assert dev.labels is not None
    assert measure(task, predictions(task, score(model, dev)), dev.labels)["pearson"] > 0.7
