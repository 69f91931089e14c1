"""The identity of a stage: its settings and the content of its files; only its own checkpoints are resumed."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.files import digest, write_whole
from gemma_st.settings import read_json
from gemma_st.training.checkpoints import last_checkpoint
from gemma_st.training.config import TrainingConfig

STAGE_FILENAME = "stage.json"
Stage = dict[str, Any]


def resolve(
    config: TrainingConfig, *, start: str, processes: int, sharded: bool = False, teacher: str | None = None
) -> Stage:
    """Return everything that determines a stage's trained weights, as JSON values; its output directory does not.

    ``start`` is the fingerprint of the model before training, ``teacher`` that of a cross-encoder as teacher. A model
    that is trained in shards has checkpoints with other files, so it is another stage.

    Examples:
        >>> from gemma_st.training.config import read_config
        >>> stage = resolve(read_config("stage.toml"), start="0f3a", processes=1)
        >>> stage["loss"], stage["lists"][0]["file"], stage["start"]
        ({'name': 'softmax'}, 'lists.jsonl', '0f3a')
    """
    settings = {name: value for name, value in asdict(config).items() if name not in ("output", "lists")}
    stage = {name: value for name, value in settings.items() if value not in (None, {}, [])}
    stage["lists"] = [{"file": str(path), "sha256": digest(path)} for path in config.lists]
    shape = {"start": start, "processes": processes, **({"sharded": True} if sharded else {})}
    shape |= {"taught_by": teacher} if teacher else {}
    plain: Stage = json.loads(json.dumps({**stage, **shape}, default=str))
    return plain


def claim(checkpoints: Path, stage: Stage, *, write: bool = True) -> Path | None:
    """Return the trainer's checkpoint from which a resolved stage resumes, or None.

    Without a checkpoint, the process that may ``write`` saves the stage in the folder of the checkpoints.

    Raises:
        ModelError: The checkpoints are of another stage; the message names the settings that differ.

    Examples:
        >>> claim(Path("trained/checkpoints"), {"loss": {"name": "softmax"}})  # nothing to resume from
        >>> Path("trained/checkpoints/stage.json").exists()
        True
    """
    last, file = last_checkpoint(checkpoints), checkpoints / STAGE_FILENAME
    if last:
        former = read_json(file) if file.exists() else {}
        if changed := list(_changed(former, stage)):
            raise ModelError(
                f"{checkpoints} is of a stage that differs in {', '.join(changed[:4])}; expected checkpoints of this "
                "stage: give another output, or delete that folder to start again"
            )
    elif write:
        write_whole(file, json.dumps(stage, indent=1) + "\n")
    return last


def _changed(former: Stage, stage: Stage, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of the settings that differ."""
    for name in sorted(former.keys() | stage.keys()):
        before, now = former.get(name), stage.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _changed(before, now, f"{prefix}{name}.")
        elif before != now:
            yield f"{prefix}{name}"
