"""The tasks of GLUE and SuperGLUE, one line each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from gemma_st.errors import ModelError

HIGHEST_GRADE = 5.0  # of STS-B, whose grades begin at 0
# The questions that the authors of COPA put after a premise.
QUESTIONS = {"cause": "What was the CAUSE of this?", "effect": "What happened as a RESULT?"}


@dataclass(frozen=True)
class Task:
    """A task, and its spelling in the files of the benchmark, on the hub and on the evaluation server.

    Attributes:
        title: Name of the task's folder among the benchmark's files, and of its submission file.
        suite: Benchmark that the task belongs to.
        config: Name of the task on the hub.
        columns: Columns of the texts. [gemma_st.glue.examples][] joins those of WiC and COPA into pairs.
        labels: Class names in the order of the hub; empty for regression.
        metrics: Official metrics; the first chooses the best checkpoint.
        submit: Whether a submission has the ``"name"`` of a class or its ``"number"`` in ``labels``.
        columns_in_files: Columns of the texts in the benchmark's own files, if they differ from ``columns``.
        parts: Suffixes of the dev and test sets of a task that has several of each.

    Examples:
        >>> TASKS["cb"].labels
        ('entailment', 'contradiction', 'neutral')
    """

    title: str
    suite: Literal["glue", "super_glue"]
    config: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    submit: Literal["name", "number"] = "name"
    columns_in_files: tuple[str, ...] = ()
    parts: tuple[str, ...] = ("",)

    @property
    def name(self) -> str:
        """Name on the command line: ``sst-2``, and ``super-rte`` for the RTE of SuperGLUE."""
        return ("super-" if (self.suite, self.config) == ("super_glue", "rte") else "") + self.title.lower()

    @property
    def choices(self) -> bool:
        """Whether the classes are texts to choose from, each of which is scored with the premise."""
        return self.config == "copa"

    def set_title(self, part: str = "") -> str:
        """Return the title of the dev or test set with a suffix: ``CoLA``, ``MNLI-mm``."""
        return self.title + {"": "", "_matched": "-m", "_mismatched": "-mm"}[part]

    def submission_filename(self, part: str = "") -> str:
        """Return the file name that the server prescribes: ``CoLA.tsv``, ``MNLI-mm.tsv``, ``BoolQ.jsonl``."""
        return f"{self.set_title(part)}.{'tsv' if self.suite == 'glue' else 'jsonl'}"

    def submission(self, index: Sequence[int], predicted: NDArray[Any]) -> str:
        """Return the text of a submission: TSV with ``index`` and ``prediction`` for GLUE, JSON lines for SuperGLUE.

        ``index`` has the number of each example on the evaluation server, ``predicted`` its class number or grade. The
        format is that of jiant, the toolkit of the benchmarks' authors; grades have three decimals.
        """
        spelled: list[Any] = [f"{grade:.3f}" for grade in predicted]
        if self.labels:
            spelled = [self.labels[label] if self.submit == "name" else int(label) for label in predicted]
        rows = list(zip(index, spelled, strict=True))
        if self.suite == "glue":
            return "index\tprediction\n" + "".join(f"{number}\t{label}\n" for number, label in rows)
        return "".join(json.dumps({"idx": number, "label": label}) + "\n" for number, label in rows)


_ENTAILMENT = ("entailment", "not_entailment")
_PAIR, _NLI = ("sentence1", "sentence2"), ("premise", "hypothesis")
_CHOICES = ("choice1", "choice2")
_MNLI = ("entailment", "neutral", "contradiction")
_PARTS = ("_matched", "_mismatched")
_QUESTIONS, _DUPLICATE = ("question1", "question2"), ("not_duplicate", "duplicate")
TABLE = (
    Task("CoLA", "glue", "cola", ("sentence",), ("unacceptable", "acceptable"), ("matthews",), "number"),
    Task("SST-2", "glue", "sst2", ("sentence",), ("negative", "positive"), ("accuracy",), "number"),
    Task("MRPC", "glue", "mrpc", _PAIR, ("not_equivalent", "equivalent"), ("accuracy", "f1"), "number"),
    Task("STS-B", "glue", "stsb", _PAIR, (), ("pearson", "spearman"), "number"),
    Task("QQP", "glue", "qqp", _QUESTIONS, _DUPLICATE, ("accuracy", "f1"), "number"),
    Task("MNLI", "glue", "mnli", _NLI, _MNLI, ("accuracy",), columns_in_files=_PAIR, parts=_PARTS),
    Task("QNLI", "glue", "qnli", ("question", "sentence"), _ENTAILMENT, ("accuracy",)),
    Task("RTE", "glue", "rte", _PAIR, _ENTAILMENT, ("accuracy",)),
    Task("WNLI", "glue", "wnli", _PAIR, ("not_entailment", "entailment"), ("accuracy",), "number"),
    Task("BoolQ", "super_glue", "boolq", ("question", "passage"), ("false", "true"), ("accuracy",)),
    Task("CB", "super_glue", "cb", _NLI, ("entailment", "contradiction", "neutral"), ("accuracy", "macro-f1")),
    Task("RTE", "super_glue", "rte", _NLI, _ENTAILMENT, ("accuracy",)),
    Task("WiC", "super_glue", "wic", ("word", *_PAIR), ("false", "true"), ("accuracy",)),
    Task("COPA", "super_glue", "copa", ("premise", "question", *_CHOICES), _CHOICES, ("accuracy",), "number"),
)
TASKS = {task.name: task for task in TABLE}


def find(names: Sequence[str]) -> list[Task]:
    """Return the tasks of the given names, each once.

    Examples:
        >>> [task.title for task in find(["rte", "sst-2", "rte"])]
        ['RTE', 'SST-2']
    """
    if unknown := [name for name in names if name not in TASKS]:
        raise ModelError(f"task {unknown[0]!r} is not known; use one of {', '.join(TASKS)}")
    return [TASKS[name] for name in dict.fromkeys(names)]
