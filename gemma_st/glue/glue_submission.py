"""What the evaluation servers of GLUE and SuperGLUE take: a prediction for each example of a test set."""

import json
from typing import TYPE_CHECKING, Any

from gemma_st.glue.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def file_name(task: Task, part: str = "") -> str:
    """Return the file's name: ``CoLA.tsv``, ``MNLI-mm.tsv``, ``BoolQ.jsonl``.

    Args:
        task: The task.
        part: Which of several test sets.
    """
    return f"{title(task, part)}.{'tsv' if task.suite == 'glue' else 'jsonl'}"


def title(task: Task, part: str = "") -> str:
    """Return a set's name: ``CoLA``, ``MNLI-mm``.

    Args:
        task: The task.
        part: The end of its file's name, such as ``_mismatched``.
    """
    return task.title + {"": "", "_matched": "-m", "_mismatched": "-mm"}[part]


def submission(task: Task, index: list[int], predicted: "NDArray[Any]") -> str:
    """Return the file's text: ``index`` and ``prediction`` of GLUE, ``{"idx", "label"}`` of SuperGLUE.

    Grades have three decimals.

    Args:
        task: The task.
        index: What the server calls each example.
        predicted: Shape ``(examples,)``, as [gemma_st.glue.metrics.predictions][] returns them.

    References:
        The format is that of jiant, the toolkit of the benchmarks' makers.
    """
    said: list[Any] = [f"{grade:.3f}" for grade in predicted]
    if task.labels:
        said = [task.labels[label] if task.submit == "name" else int(label) for label in predicted]
    rows = list(zip(index, said, strict=True))
    if task.suite == "glue":
        return "index\tprediction\n" + "".join(f"{number}\t{label}\n" for number, label in rows)
    return "".join(json.dumps({"idx": number, "label": label}) + "\n" for number, label in rows)
