"""Examples of a task: rows of a benchmark turned into texts and numeric labels."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gemma_st.errors import ModelError
from gemma_st.files import is_unicode
from gemma_st.glue.tasks import HIGHEST_GRADE, QUESTIONS, Task

if TYPE_CHECKING:
    from datasets import Dataset

Row = Mapping[str, Any]
MOST_DIGITS = 18  # of the number of a class or an example
SHOWN = 60  # characters of a wrong value in its error
TEXT_COLUMNS = ("first", "second", "third")  # of the trainer's data set


@dataclass(frozen=True)
class Split:
    """The examples of a training, dev or test set.

    Attributes:
        texts: Texts of each example: a single text, a pair, or a question and the texts to choose from.
        labels: Class numbers, or grades from 0 to 5, of shape ``(examples,)``; None if the labels are secret.
        index: Number of each example on the evaluation server.

    Examples:
        >>> examples = Split([("a film",), ("a bore",)], np.array([1, 0]), index=[7, 8])
        >>> examples.take(np.array([1])).texts
        [('a bore',)]
    """

    texts: list[tuple[str, ...]]
    labels: NDArray[Any] | None
    index: list[int]

    def take(self, places: NDArray[np.int64]) -> "Split":
        """Return the examples at the given places, counted from 0, in their original order."""
        places = np.sort(places)
        labels = None if self.labels is None else self.labels[places]
        return Split([self.texts[i] for i in places], labels, [self.index[i] for i in places])

    def to_dataset(self) -> "Dataset":
        """Return the examples as the trainer reads them: a column for each text, and ``label``."""
        from datasets import Dataset

        columns = dict(zip(TEXT_COLUMNS, zip(*self.texts, strict=True), strict=False))
        return Dataset.from_dict({**columns, **({} if self.labels is None else {"label": self.labels.tolist()})})


def parse_rows(task: Task, rows: Iterable[tuple[str, Row]], name: str) -> Split:
    """Turn pairs (``file:line`` for error messages, row) of a set into examples. Labels of ``"test"`` may be missing.

    Examples:
        >>> from gemma_st.glue.tasks import TASKS
        >>> parse_rows(TASKS["sst-2"], [("dev.tsv:2", {"sentence": "a fine film", "label": "positive"})], "dev").labels
        array([1])
    """
    texts, labels, index = [], [], []
    for number, (where, row) in enumerate(rows):
        texts.append(_texts(task, row, where))
        secret = name == "test" and row.get("label") in (None, -1)
        labels.append(None if secret else _label(task, row.get("label"), where))
        given = str(row.get("index"))
        index.append(int(given) if given.isdecimal() and len(given) <= MOST_DIGITS else number)
    known = [label for label in labels if label is not None]
    if not texts or len(known) not in (0, len(labels)):
        raise ModelError(f"{task.title} {name}: {len(texts)} examples, {len(known)} labels; expected one for each")
    return Split(texts, np.array(known, dtype=np.int64 if task.labels else np.float64) if known else None, index)


def _texts(task: Task, row: Row, where: str) -> tuple[str, ...]:
    """Return the texts. WiC's word is put before the first sentence, and COPA's question after the premise."""
    for column in task.columns:
        text = row.get(column)
        if not isinstance(text, str) or not text.strip():
            raise ModelError(f"{where}: {column}={text!r:.{SHOWN}}; expected texts in {', '.join(task.columns)}")
        if not is_unicode(text):
            raise ModelError(f"{where}: {column} contains a lone surrogate, which UTF-8 cannot encode; remove it")
    texts = tuple(row[column] for column in task.columns)
    if task.config == "wic":
        return f"{texts[0]}: {texts[1]}", texts[2]
    if not task.choices:
        return texts
    if texts[1] not in QUESTIONS:
        raise ModelError(f"{where}: question={texts[1]!r}; expected {' or '.join(QUESTIONS)}")
    return f"{texts[0]} {QUESTIONS[texts[1]]}", *texts[2:]


def _label(task: Task, value: object, where: str) -> float:
    """Return the number of a class, given by its name or number; or a grade."""
    text = str(value).strip()
    if task.labels:
        if text.lower() in task.labels:
            return task.labels.index(text.lower())
        if text.isdecimal() and len(text) <= MOST_DIGITS and int(text) < len(task.labels):
            return int(text)
        names = ", ".join(task.labels)
        raise ModelError(f"{where}: label={value!r:.{SHOWN}}; expected {names}, or their number from 0")
    with suppress(ValueError):
        if 0 <= float(text) <= HIGHEST_GRADE:
            return float(text)
    raise ModelError(f"{where}: label={value!r:.{SHOWN}}; expected a number from 0 to {HIGHEST_GRADE:g}")
