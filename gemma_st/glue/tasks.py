"""The tasks, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gemma_st.errors import ModelError

ENTAILMENT = ("entailment", "not_entailment")
HIGHEST = 5.0  # of STS-B's grades, which begin at 0
# What the makers of COPA ask behind a premise.
QUESTIONS = {"cause": "What was the CAUSE of this?", "effect": "What happened as a RESULT?"}


@dataclass(frozen=True)
class Task:
    """What a task is, and how it is spelled by those who keep it.

    Attributes:
        title: Its folder among the files of the benchmark, and the name of its submission file.
        suite: The benchmark.
        config: Its name on the hub.
        columns: Where its texts are: one of a sentence, two of a pair; WiC's and COPA's are put into pairs by
            [gemma_st.glue.datasets][].
        labels: Names of its classes, in the hub's order; none for regression.
        metrics: The official ones; the first chooses the best checkpoint.
        submit: What the evaluation server calls a class, in the order of ``labels``: its name or its number.
        columns_in_files: Where they are in the benchmark's own files, if that is elsewhere.
        parts: Ends of the names of dev and test sets where there are several.
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
        """What the command calls it: ``sst-2``, and ``super-rte`` for the RTE of SuperGLUE."""
        return ("super-" if (self.suite, self.config) == ("super_glue", "rte") else "") + self.title.lower()

    @property
    def choices(self) -> bool:
        """Whether its classes are texts to choose from, each scored with the premise."""
        return self.config == "copa"


PAIR, NLI = ("sentence1", "sentence2"), ("premise", "hypothesis")
BOTH = ("_matched", "_mismatched")
TABLE = (
    Task("CoLA", "glue", "cola", ("sentence",), ("unacceptable", "acceptable"), ("matthews",), "number"),
    Task("SST-2", "glue", "sst2", ("sentence",), ("negative", "positive"), ("accuracy",), "number"),
    Task("MRPC", "glue", "mrpc", PAIR, ("not_equivalent", "equivalent"), ("accuracy", "f1"), "number"),
    Task("STS-B", "glue", "stsb", PAIR, (), ("pearson", "spearman"), "number"),
    Task(
        "QQP", "glue", "qqp", ("question1", "question2"), ("not_duplicate", "duplicate"), ("accuracy", "f1"), "number"
    ),
    Task("MNLI", "glue", "mnli", NLI, ("entailment", "neutral", "contradiction"), ("accuracy",), "name", PAIR, BOTH),
    Task("QNLI", "glue", "qnli", ("question", "sentence"), ENTAILMENT, ("accuracy",)),
    Task("RTE", "glue", "rte", PAIR, ENTAILMENT, ("accuracy",)),
    Task("WNLI", "glue", "wnli", PAIR, ("not_entailment", "entailment"), ("accuracy",), "number"),
    Task("BoolQ", "super_glue", "boolq", ("question", "passage"), ("false", "true"), ("accuracy",)),
    Task("CB", "super_glue", "cb", NLI, ("entailment", "contradiction", "neutral"), ("accuracy", "macro-f1")),
    Task("RTE", "super_glue", "rte", NLI, ENTAILMENT, ("accuracy",)),
    Task("WiC", "super_glue", "wic", ("word", *PAIR), ("false", "true"), ("accuracy",)),
    Task(
        "COPA",
        "super_glue",
        "copa",
        ("premise", "question", "choice1", "choice2"),
        ("choice1", "choice2"),
        ("accuracy",),
        "number",
    ),
)
TASKS = {task.name: task for task in TABLE}


def find(names: Sequence[str]) -> list[Task]:
    """Return tasks by the names that the command gives them.

    Args:
        names: The names.

    Raises:
        ModelError: There is no such task.
    """
    for name in names:
        if name not in TASKS:
            raise ModelError(f"task {name!r} is not known; use one of {', '.join(TASKS)}")
    return [TASKS[name] for name in dict.fromkeys(names)]
