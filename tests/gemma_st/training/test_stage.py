"""Tests of gemma_st.training.stage: a stage resumes from its own checkpoints only."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st import ModelError
from gemma_st.training.checkpoints import LOSS_FILENAME
from gemma_st.training.config import read_config
from gemma_st.training.stage import claim
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import KILLED, same, weights

DROPOUT = "dropout = { attention = 0.1, attention_output = 0.1, feed_forward = 0.1, pooler = 0.1, head = 0.3 }\n"


def killed(file: Path) -> None:
    """Run a stage whose process is killed while it saves step 4."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-c", KILLED, "train", str(file)], env=environment, capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    assert not (file.with_suffix("") / "modules.json").exists()


def test_a_killed_run_with_dropout_and_evaluation_ends_with_the_same_weights(
    ranking: Callable[..., Path], dev: str
) -> None:
    """The resumed run logs the same losses and measures, and keeps the same best checkpoint."""
    more = DROPOUT + dev
    whole = train(read_config(ranking("whole", more=more)))
    file = ranking("killed", more=more)
    killed(file)
    assert (file.with_suffix("") / "checkpoints/checkpoint-2" / LOSS_FILENAME).exists()
    resumed = train(read_config(file))
    one, other = (json.loads((directory / "training.json").read_text())["log"] for directory in (whole, resumed))
    kept = [[entry.get("eval_mrr@10", entry.get("loss")) for entry in log] for log in (one, other)]
    assert kept[0][:-1] == pytest.approx(kept[1][:-1], abs=1e-5)  # the last entry is the run time
    assert same(weights(whole), weights(resumed))


def test_checkpoints_of_another_stage_are_refused(ranking: Callable[..., Path]) -> None:
    """The error names the setting that differs; after the checkpoints are deleted the stage starts again."""
    file = ranking()
    text, model = file.read_text(), weights(train(read_config(file)))
    for old, new, changed in (
        ('name = "softmax"', 'name = "poly1"', "loss.name"),
        ("[model]", "[dropout]\nhead = 0.1\n[model]", "dropout.head"),
        ("[model]", '[model]\npooler = "last"', "model.pooler, start"),
        ("learning_rate = 1e-2", "learning_rate = 2e-2", "trainer.learning_rate"),
    ):
        file.write_text(text.replace(old, new))
        with pytest.raises(ModelError, match=f"is of a stage that differs in {changed}; .* delete that folder"):
            train(read_config(file))
    assert same(weights(file.with_suffix("")), model)
    shutil.rmtree(file.with_suffix("") / "checkpoints")
    assert not same(weights(train(read_config(file))), model)


def test_the_content_of_lists_and_base_counts_and_their_names_alone_do_not(
    ranking: Callable[..., Path], lists: Path, tiny_gemma: Path, tmp_path: Path
) -> None:
    """Modification times do not matter, and the output may be moved."""
    copy, base = tmp_path / "copy.jsonl", tmp_path / "gemma"
    shutil.copy(lists, copy)
    shutil.copytree(tiny_gemma, base)
    file = ranking(base=base)
    file.write_text(file.read_text().replace(str(lists), str(copy)))
    train(read_config(file))
    (tmp_path / "ranking").rename(tmp_path / "moved")
    file.write_text(file.read_text().replace(f'output = "{tmp_path}/ranking"', f'output = "{tmp_path}/moved"'))
    done = (tmp_path / "moved/checkpoints/checkpoint-6" / LOSS_FILENAME).stat().st_mtime_ns
    train(read_config(file))
    assert (tmp_path / "moved/checkpoints/checkpoint-6" / LOSS_FILENAME).stat().st_mtime_ns == done
    text = copy.read_text()
    copy.write_text(text.replace("Licensor", "licensor"))
    with pytest.raises(ModelError, match="differs in lists; "):
        train(read_config(file))
    copy.write_text(text)
    (base / "tokenizer_config.json").write_text(
        (base / "tokenizer_config.json").read_text().replace('"model_max_length": 128', '"model_max_length": 100')
    )
    with pytest.raises(ModelError, match="differs in start; "):
        train(read_config(file))


def test_checkpoints_that_do_not_say_whose_they_are_are_nobodys(tmp_path: Path) -> None:
    """A folder with stage.json but without a checkpoint may be used by another stage."""
    assert claim(tmp_path, {"lists": []}) is None
    assert claim(tmp_path, {"lists": [1]}) is None
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / LOSS_FILENAME).touch()
    assert claim(tmp_path, {"lists": [1]}) == tmp_path / "checkpoint-2"
    (tmp_path / "stage.json").unlink()
    with pytest.raises(ModelError, match="differs in lists"):
        claim(tmp_path, {"lists": [1]})
