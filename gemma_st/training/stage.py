"""A stage as it is run: every setting and the content behind every name. Only its own checkpoints go on with it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.files import digest, write_whole
from gemma_st.training.checkpoints import last_checkpoint
from gemma_st.training.config import TrainingConfig

FILE = "stage.json"
Stage = dict[str, Any]


def resolve(config: TrainingConfig, *, start: str, processes: int, sharded: bool = False) -> Stage:
    """Return all that decides the weights of a stage, but for the folder they are written to.

    Args:
        config: The stage.
        start: The fingerprint of the model that it begins with.
        processes: How many train it.
        sharded: Whether each holds a part of it, which its checkpoints then say in files of their own.
    """
    settings = {name: value for name, value in asdict(config).items() if name not in ("output", "lists")}
    stage = {name: value for name, value in settings.items() if value not in (None, {}, [])}
    stage["lists"] = [{"file": str(path), "sha256": digest(path)} for path in config.lists]
    shape = {"start": start, "processes": processes, **({"sharded": True} if sharded else {})}
    plain: Stage = json.loads(json.dumps({**stage, **shape}, default=str))
    return plain


def claim(checkpoints: Path, stage: Stage, *, write: bool = True) -> Path | None:
    """Say from which checkpoint a stage goes on, and mark the folder as its own.

    Args:
        checkpoints: The folder of the trainer's checkpoints.
        stage: What `resolve` returned.
        write: Whether this process is the one that marks it.

    Raises:
        ModelError: The checkpoints there are another stage's; names what differs.
    """
    last, file = last_checkpoint(checkpoints), checkpoints / FILE
    if last:
        former = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if changed := list(_changed(former, stage)):
            raise ModelError(
                f"{checkpoints} is of a stage that differs in {', '.join(changed[:4])}; expected checkpoints of this "
                "one: give another output, or delete that folder to start anew"
            )
    elif write:
        write_whole(file, json.dumps(stage, indent=1) + "\n")
    return last


def _changed(former: Stage, stage: Stage, within: str = "") -> Iterator[str]:
    """Yield the names of what differs, dotted."""
    for name in sorted(former.keys() | stage.keys()):
        one, other = former.get(name), stage.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _changed(one, other, f"{within}{name}.")
        elif one != other:
            yield f"{within}{name}"
