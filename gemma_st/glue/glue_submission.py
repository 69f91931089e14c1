"""Submission files for the evaluation servers of GLUE and SuperGLUE: a prediction for each example of a test set."""

import json
from typing import Any

from numpy.typing import NDArray

from gemma_st.glue.tasks import Task


def submission(task: Task, index: list[int], predicted: NDArray[Any]) -> str:
    r"""Return the text of a submission: TSV with ``index`` and ``prediction`` for GLUE, JSON lines for SuperGLUE.

    ``index`` has the number of each example on the evaluation server, ``predicted`` its class number or grade. The
    format is that of jiant, the toolkit of the benchmarks' authors; grades have three decimals.

    Example:
        >>> import numpy as np
        >>> from gemma_st.glue.tasks import TASKS
        >>> submission(TASKS["rte"], [0, 4], np.array([1, 0]))
        'index\tprediction\n0\tnot_entailment\n4\tentailment\n'
    """
    spelled: list[Any] = [f"{grade:.3f}" for grade in predicted]
    if task.labels:
        spelled = [task.labels[label] if task.submit == "name" else int(label) for label in predicted]
    rows = list(zip(index, spelled, strict=True))
    if task.suite == "glue":
        return "index\tprediction\n" + "".join(f"{number}\t{label}\n" for number, label in rows)
    return "".join(json.dumps({"idx": number, "label": label}) + "\n" for number, label in rows)
