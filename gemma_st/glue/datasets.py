"""The training, dev and test sets of a task."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.glue.examples import Split
from gemma_st.glue.sources import read_set
from gemma_st.glue.tasks import Task

HELD_OUT = 10  # one of so many training examples is held out if there is no dev set
SAMPLING_SEED = 0  # fixed: all training seeds see the same examples


@dataclass(frozen=True)
class Data:
    """The examples of a task.

    Attributes:
        train: Training set.
        dev: Dev sets by suffix: ``""``, or ``"_matched"`` and ``"_mismatched"``. The first chooses the checkpoint.
        test: Test sets by suffix, for submissions; empty if the source has none.
        note: Changes made to the sets.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> list(load(TASKS["sst-2"], "glue").evaluation_sets)
        ['dev', 'test']
    """

    train: Split
    dev: dict[str, Split]
    test: dict[str, Split]
    note: str = ""

    @property
    def evaluation_sets(self) -> dict[str, Split]:
        """The dev and test sets by name, such as ``dev`` or ``test_matched``."""
        named = (("dev", self.dev), ("test", self.test))
        return {f"{name}{part}": split for name, parts in named for part, split in parts.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all examples and labels, in hex."""
        hashed = hashlib.sha256()
        for name, split in {"train": self.train, **self.evaluation_sets}.items():
            labels = None if split.labels is None else split.labels.tolist()
            hashed.update(json.dumps([name, split.texts, labels, split.index]).encode())
        return hashed.hexdigest()


def load(task: Task, source: str | None = None, *, train_examples: int | None = None) -> Data:
    """Read the examples of a task. Without a dev set, a tenth of the training set is held out.

    Args:
        task: The task whose sets are read.
        source: A folder that has a folder for each task, such as ``CoLA/train.tsv`` or ``BoolQ/train.jsonl``; or a hub
            id, or a local copy of a hub dataset. None loads the benchmark from the hub.
        train_examples: Number of training examples to draw at random; None uses all.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> load(TASKS["sst-2"], "glue", train_examples=2).note
        '2 of 8 training examples'
    """
    train, dev, test = (read_set(task, source, name) for name in ("train", "dev", "test"))
    if not train:
        raise ModelError(f"{source}: no training set of {task.title}; expected {task.title}/train.*, see docs/glue.md")
    known, notes = train[""], []
    order = np.random.default_rng(SAMPLING_SEED).permutation(len(known.texts))
    if not dev:
        count = max(len(order) // HELD_OUT, 1)
        notes.append(f"dev: {count} examples of train, held out")
        dev, order = {"": known.take(order[:count])}, order[count:]
    if train_examples is not None and train_examples < len(order):
        notes.append(f"{train_examples} of {len(order)} training examples")
        order = order[:train_examples]
    return Data(known.take(order), dev, test, note="; ".join(notes))
