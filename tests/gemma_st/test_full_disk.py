"""A full disk: one line says what was being written; nothing is half there, and the same command goes on later."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gemma_st.cli import main
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.study.conftest import Ran, Write, ablate, study as study, whole as whole
from tests.gemma_st.training.conftest import same, weights

HELPER = Path(__file__).with_name("full_disk.py")
FULL = r"cannot be written \(.+\); free space there or give another folder, then run the same command again$"


def until_full(folder: Path, *commands: tuple[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Run commands in a folder whose disk becomes full at a marker.

    Return, for each, the last line of standard error, and the names of the checkpoints and hidden files in the folder.
    """
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    script = [sys.executable, str(HELPER), json.dumps(commands)]
    ran = subprocess.run(script, env=environment, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]
    assert [code for code, *_ in found] == [2] * len(commands), found
    assert "written to" not in "".join(out for _, out, *_ in found)
    return [(err.splitlines()[-1], left) for _, _, err, left in found]


def test_training_goes_on_from_the_last_checkpoint_when_there_is_space_again(ranking: Callable[..., Path]) -> None:
    """To the weights of a training that had space all the time; a checkpoint is whole or not there."""
    options = "dropout = { head = 0.3 }\nfreeze_embeddings = false"  # a checkpoint above 250 kB
    file = ranking(more=options)
    output, saving = file.with_suffix(""), f"tempfile.mkdtemp {file.parent}/.ranking."
    markers = {
        "ranking/checkpoints/.stage.": ("ranking: the checkpoints' folder", []),
        "checkpoint-2": ("checkpoint-2: a checkpoint", []),
        "checkpoint-4@250000": ("checkpoint-4: a checkpoint", ["checkpoint-2"]),
        "checkpoint-6/trainer_state.json": ("checkpoint-6: a checkpoint", ["checkpoint-2", "checkpoint-4"]),
        saving: ("ranking: the model", ["checkpoint-2", "checkpoint-4", "checkpoint-6"]),
        "/.training.": ("ranking: the model", ["checkpoint-2", "checkpoint-4", "checkpoint-6"]),
    }
    ran = until_full(file.parent, *((marker, ["train", str(file)]) for marker in markers))
    for (said, left), (what, kept) in zip(ran, markers.values(), strict=True):
        assert re.search(f"error: {file}: {file.parent}.*{what} {FULL}", said), said
        assert left == kept
    assert main(["train", str(file)]) == 0
    assert same(weights(output), weights(train(read_config(ranking("whole", more=options)))))


def test_glue_goes_on_when_there_is_space_again(study: Write, tiny_gemma: Path, tmp_path: Path) -> None:
    """The results are those of a run that had space all the time."""
    data, out = study().parent / "data/glue", tmp_path / "out"
    command = ["glue", str(tiny_gemma), "--task", "sst-2", "--data", str(data), "--epochs", "1", "--out"]
    markers = {"checkpoint-": ("a checkpoint", []), "/.sst-2.": ("the results", ["checkpoint-1"])}
    markers["/.results."] = ("the results", [])
    ran = until_full(tmp_path, *((marker, [*command, str(out)]) for marker in markers))
    for (line, left), (what, kept) in zip(ran, markers.values(), strict=True):
        assert re.search(f"{out}.*: {what} {FULL}", line), line
        assert left == kept
    assert not (out / "results.json").exists()
    assert main([*command, str(out)]) == main([*command, str(tmp_path / "whole")]) == 0
    full, whole = (next(folder.glob("sst-2-*")) for folder in (out, tmp_path / "whole"))
    assert same(weights(whole), weights(full))


def test_a_study_goes_on_when_there_is_space_again(study: Write, whole: Ran) -> None:
    """The report is that of a study that had space all the time."""
    file = study()
    command = ["ablate", str(file), "--data", str(file.parent / "data")]
    for line, _ in until_full(
        file.parent, *((marker, command) for marker in ("study/.report.lock", "checkpoint-", "/.results."))
    ):
        assert re.search(FULL, line), line
    assert not (file.with_suffix("") / "results.json").exists()
    again = ablate(file)
    assert again.code == 0
    assert again.results() == whole.results()


def test_export_on_a_full_disk_is_one_line(tiny_reranker: Path, tmp_path: Path) -> None:
    """It was a list of tuples. Nothing is left."""
    target = tmp_path / "exported"
    ((said, left),) = until_full(tmp_path, ("/.exported.", ["export", str(tiny_reranker), str(target)]))
    assert re.search(f"{target}: the model {FULL}", said), said
    assert not [*left, *tmp_path.iterdir()]
