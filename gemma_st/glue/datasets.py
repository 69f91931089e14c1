"""A task's training, dev and test set."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.glue.examples import Split
from gemma_st.glue.sources import from_files, from_hub
from gemma_st.glue.tasks import Task

HELD_OUT = 10  # one example of so many, where there is no dev set
SEED = 0  # of what is drawn from the training set: the same whatever the seed of a training is


@dataclass(frozen=True)
class Data:
    """A task's examples.

    Attributes:
        train: To learn from.
        dev: To choose the best checkpoint by, and to report; several of MNLI, by the ends of their names.
        test: To submit, and to report where labels are known; none where there is no such file.
        note: What was done to the sets.
    """

    train: Split
    dev: dict[str, Split]
    test: dict[str, Split]
    note: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all examples and labels, in hex."""
        splits = {"train": self.train, **{f"dev{part}": dev for part, dev in self.dev.items()}}
        splits |= {f"test{part}": test for part, test in self.test.items()}
        hashed = hashlib.sha256()
        for name, split in splits.items():
            labels = None if split.labels is None else split.labels.tolist()
            hashed.update(json.dumps([name, split.texts, labels, split.index]).encode())
        return hashed.hexdigest()


def load(task: Task, source: str | None = None, *, train_examples: int | None = None) -> Data:
    """Read a task's examples; where there is no dev set, a tenth of the training set is held out.

    Args:
        task: The task.
        source: A folder with a folder for each task, such as ``CoLA/train.tsv`` or ``BoolQ/train.jsonl``; or a hub id,
            or a copy of one, that ``datasets.load_dataset`` takes. The benchmark's own on the hub if not given.
        train_examples: How many of the training set to use, drawn at random; all if not given.

    Raises:
        ModelError: There is no training set, or a row is not an example of the task.
    """
    folder = Path(source or "", task.title)
    if source and any(folder.glob("train.*")):
        train, dev, test = (from_files(task, folder, name) for name in ("train", "dev", "test"))
    else:
        train, dev, test = (from_hub(task, source, name) for name in ("train", "dev", "test"))
    if not train:
        raise ModelError(f"{source}: no training set of {task.title} in there; expected one, see docs/glue.md")
    known, notes = train[""], []
    order = np.random.default_rng(SEED).permutation(len(known.texts))
    if not dev:
        count = max(len(order) // HELD_OUT, 1)
        notes.append(f"dev: {count} examples of train, held out")
        dev, order = {"": known.take(order[:count])}, order[count:]
    if train_examples is not None and train_examples < len(order):
        notes.append(f"{train_examples} of {len(order)} training examples")
        order = order[:train_examples]
    return replace(Data(known.take(order), dev, test), note="; ".join(notes))
