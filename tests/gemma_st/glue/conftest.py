"""A few examples of every task, in the benchmark's own files and in the form of the hub."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemma_st.glue.tasks import TASKS, Task

WORDS = ("derivative", "patent", "contributor")  # of the tokenizer's own text: a class is told by its word
OWN_NAMES = {"mrpc": {"label": "Quality", "sentence1": "#1 String", "sentence2": "#2 String"}}
OWN_NAMES |= {"qqp": {"label": "is_duplicate"}, "mnli": {"label": "gold_label"}, "stsb": {"label": "score"}}


def rows(task: Task, count: int, *, labelled: bool = True) -> list[dict[str, Any]]:
    """Make rows in the form of the hub, numbered from 7; the last text of each row has a word that tells its class."""
    made = []
    for number in range(count):
        label = number % len(task.labels) if task.labels else float(number % 6)
        texts = {column: f"the {column} of {number}" for column in task.columns}
        texts[task.columns[-1]] += f" {WORDS[int(label) % 3]}" * 3
        if task.choices:
            choices = [f"a {WORDS[choice == label]} of {number}" for choice in range(2)]
            texts |= {"question": ("cause", "effect")[number % 2], "choice1": choices[0], "choice2": choices[1]}
        made.append({**texts, "idx": number + 7, "label": label if labelled else -1})
    return made


def write_files(task: Task, root: Path, count: int) -> None:
    """Write the files of a task in the benchmark's format: TSV for GLUE, JSON lines for SuperGLUE; no test labels."""
    for name in ("train", "dev" if task.suite == "glue" else "val", "test"):
        for part in ("",) if name == "train" else task.parts:
            found = rows(task, count)
            for row in found:
                row["label"] = task.labels[row["label"]] if task.submit == "name" else row["label"]
                if name == "test":
                    del row["label"]
            end = "tsv" if task.suite == "glue" else "jsonl"
            path = root / task.title / f"{name}{part}.{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_tsv(task, found) if end == "tsv" else "".join(json.dumps(row) + "\n" for row in found))


def _tsv(task: Task, found: list[dict[str, Any]]) -> str:
    names = {"idx": "index", **OWN_NAMES.get(task.config, {})}
    names |= dict(zip(task.columns, task.columns_in_files, strict=False))
    lines = [[names.get(name, name) for name in found[0]], *([str(value) for value in row.values()] for row in found)]
    return "".join("\t".join(line) + "\n" for line in lines)


def write_hub(task: Task, root: Path, count: int) -> None:
    """Write a task in the form of the hub: a folder of Parquet files, listed in the header of README.md."""
    from datasets import ClassLabel, Dataset

    listed = []
    for name in ("train", "validation", "test"):
        for part in ("",) if name == "train" else task.parts:
            data = Dataset.from_list(rows(task, count, labelled=name != "test"))
            if task.labels:
                data = data.cast_column("label", ClassLabel(names=[label.title() for label in task.labels]))
            path = root / task.config / f"{name}{part}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            data.to_parquet(path)
            listed.append(f"  - split: {name}{part}\n    path: {task.config}/{name}{part}-*\n")
    head = root / "README.md"
    before = head.read_text().removesuffix("---\n") if head.exists() else "---\nconfigs:\n"
    head.write_text(f"{before}- config_name: {task.config}\n  data_files:\n{''.join(listed)}---\n")


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes the files of tasks and returns their folder."""

    def write(*names: str, count: int = 6) -> str:
        for name in names:
            write_files(TASKS[name], tmp_path / "data", count)
        return str(tmp_path / "data")

    return write
