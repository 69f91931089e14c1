"""A process that is killed while it replaces the model at the end: the next call trains no step again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_st.training.checkpoints import LossCheckpoint, last_checkpoint
from gemma_st.training.config import read_config
from gemma_st.training.trainer import train
from tests.gemma_st.training.conftest import KILLED, same, weights


@pytest.mark.parametrize("renamed", ["/killed", "/killed/checkpoints"])
def test_a_process_killed_between_the_renames_of_saving_goes_on(ranking: Callable[..., Path], renamed: str) -> None:
    """The folder was moved away with its checkpoints, and the new model has its name or not; both are put together."""
    whole = train(read_config(ranking("whole")))
    file = ranking("killed")
    code = KILLED.replace('"checkpoint-4/loss.safetensors"', f'"{renamed}"')
    assert code != KILLED
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-c", code, "train", str(file)], env=environment, capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    output, former = file.with_suffix(""), file.with_name(".killed.former")
    done = {path.parent.name: path.stat().st_mtime_ns for path in former.rglob("checkpoint-*/model.safetensors")}
    assert (len(done) > 0, (output / "modules.json").exists()) == (True, renamed != "/killed")
    train(read_config(file))
    again = {path.parent.name: path.stat().st_mtime_ns for path in output.rglob("checkpoint-*/model.safetensors")}
    assert again == done
    assert same(weights(output), weights(whole))
    assert not former.exists()


def test_a_checkpoint_is_deleted_only_when_the_next_one_is_whole(
    ranking: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``save_total_limit = 1``, a process that dies while it saves step 4 goes on from step 2."""
    write = LossCheckpoint.on_save

    def stopped(self: LossCheckpoint, arguments: object, state: object, *rest: object, **options: object) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt
        write(self, arguments, state, *rest, **options)

    file = ranking(trainer="save_total_limit = 1\n")
    checkpoints = file.with_suffix("") / "checkpoints"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(LossCheckpoint, "on_save", stopped)
        train(read_config(file))
    assert str(last_checkpoint(checkpoints)).endswith("checkpoint-2")
    train(read_config(file))
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-6"]
    assert same(weights(file.with_suffix("")), weights(train(read_config(ranking("whole")))))
