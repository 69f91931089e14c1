"""Rows of a benchmark turned into examples: texts as a model gets them, and labels as numbers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.glue.tasks import HIGHEST, QUESTIONS, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Split:
    """Examples.

    Attributes:
        texts: Of each, one text, or a pair, or a question and the texts to choose from.
        labels: Shape ``(examples,)``: number of a class, or a grade from 0 to 5; ``None`` where they are kept secret.
        index: What the evaluation server calls each.
    """

    texts: list[tuple[str, ...]]
    labels: "NDArray[Any] | None"
    index: list[int]

    def take(self, places: "NDArray[np.int64]") -> "Split":
        """Return some of the examples, in their order.

        Args:
            places: Which, counted from 0.
        """
        places = np.sort(places)
        labels = None if self.labels is None else self.labels[places]
        return Split([self.texts[i] for i in places], labels, [self.index[i] for i in places])


def split(task: Task, rows: Iterable[tuple[str, Row]], name: str) -> Split:
    """Make examples of rows.

    Args:
        task: The task.
        rows: ``(where it is from, its columns)``.
        name: ``"train"``, ``"dev"`` or ``"test"``, where labels may be missing.

    Raises:
        ModelError: A row is not an example of the task.
    """
    texts, labels, index = [], [], []
    for number, (where, row) in enumerate(rows):
        texts.append(_texts(task, row, where))
        unknown = name == "test" and row.get("label") in (None, -1)
        labels.append(None if unknown else _label(task, row.get("label"), where))
        found = str(row.get("index"))
        index.append(int(found) if found.isdecimal() else number)
    known = [label for label in labels if label is not None]
    if not texts or len(known) not in (0, len(labels)):
        raise ModelError(f"{task.title} {name}: {len(texts)} examples, {len(known)} labels; expected one for each")
    return Split(texts, np.array(known, dtype=np.int64 if task.labels else np.float64) if known else None, index)


def _texts(task: Task, row: Row, where: str) -> tuple[str, ...]:
    """Return an example's texts: WiC's word goes before its first sentence, COPA's question behind its premise."""
    for column in task.columns:
        if not isinstance(row.get(column), str) or not row[column].strip():
            raise ModelError(f"{where}: {column}={row.get(column)!r}; expected texts in {', '.join(task.columns)}")
    texts = tuple(row[column] for column in task.columns)
    if task.config == "wic":
        return f"{texts[0]}: {texts[1]}", texts[2]
    if not task.choices:
        return texts
    if texts[1] not in QUESTIONS:
        raise ModelError(f"{where}: question={texts[1]!r}; expected {' or '.join(QUESTIONS)}")
    return f"{texts[0]} {QUESTIONS[texts[1]]}", *texts[2:]


def _label(task: Task, value: object, where: str) -> float:
    """Return the number of a class, given by name or number; or a grade."""
    text = str(value).strip()
    if task.labels:
        if text.lower() in task.labels:
            return task.labels.index(text.lower())
        if text.isdecimal() and int(text) < len(task.labels):
            return int(text)
        raise ModelError(f"{where}: label={value!r}; expected {', '.join(task.labels)}, or their number from 0")
    try:
        grade = float(text)
    except ValueError:
        grade = math.nan
    if not 0 <= grade <= HIGHEST:
        raise ModelError(f"{where}: label={value!r}; expected a number from 0 to {HIGHEST:g}")
    return grade
