"""Fine-tuning with the tokens of the training set only: the scores of any text are as if all had been there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.finetune import fine_tune, score
from gemma_st.glue.tasks import TASKS


def test_a_glue_task_with_the_tokens_of_its_training_set_gives_the_same_model(
    files: Callable[..., str], tiny_gemma: Path, tmp_path: Path
) -> None:
    """The test set has other tokens."""
    task = TASKS["rte"]
    data = load(task, files("rte", count=12))
    strange = data.dev[""]
    strange.texts[0] = ("an unusual hypothesis", "zebras quiz 中文")
    found = []
    for name, less in (("plain", False), ("less", True)):
        config = GlueConfig(base=str(tiny_gemma), epochs=2, batch_size=4, learning_rate=1e-3, restrict_vocabulary=less)
        model = fine_tune(task, data, config, seed=0, checkpoints=tmp_path / name)
        found.append((score(model, strange), model.transformers_model.embed_tokens.weight.shape))
    assert np.allclose(found[0][0], found[1][0], atol=1e-5)
    assert found[0][1] == found[1][1] == (1000, 32)
