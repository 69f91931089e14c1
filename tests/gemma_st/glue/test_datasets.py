"""Tests of gemma_st.glue.datasets: the files of the benchmark and of the hub give the same examples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gemma_st import ModelError
from gemma_st.glue.datasets import load
from gemma_st.glue.tasks import TASKS, find
from tests.gemma_st.glue.conftest import write_files, write_hub

MNLI = "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label\n31\t9\ta\tb\tentailment\tneutral\n"
GOOD = "sentence1\tsentence2\tlabel\na\tb\tentailment\n"


@pytest.mark.parametrize("name", TASKS)
def test_files_and_the_hubs_parquet_are_the_same_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, labels, server numbers and the two sets of MNLI are equal; the test set has no labels."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    task = TASKS[name]
    write_files(task, tmp_path / "files", 6)
    write_hub(task, tmp_path / "hub", 6)
    one, other = (load(task, str(tmp_path / source)) for source in ("files", "hub"))
    assert one.digest == other.digest
    assert one.train.index == list(range(7, 13))
    assert list(one.dev) == list(one.test) == list(task.parts)
    assert one.train.labels is not None
    assert set(one.train.labels) == set(range(len(task.labels) or 6))
    assert all(test.labels is None for test in one.test.values())
    assert {len(texts) for texts in one.train.texts} == {3 if task.choices else 1 if len(task.columns) == 1 else 2}


def test_wic_and_copa_are_put_into_pairs(files: Callable[..., str]) -> None:
    """WiC's word is put before the first sentence; COPA's question is put after the premise, before two choices."""
    source = files("wic", "copa")
    assert load(TASKS["wic"], source).train.texts[0] == (
        "the word of 0: the sentence1 of 0",
        "the sentence2 of 0 derivative derivative derivative",
    )
    first, second = load(TASKS["copa"], source).train.texts[:2]
    assert first == ("the premise of 0 What was the CAUSE of this?", "a patent of 0", "a derivative of 0")
    assert second[0] == "the premise of 1 What happened as a RESULT?"


def test_labels_are_names_or_numbers(tmp_path: Path) -> None:
    """Names are read in any case, and so are JSON's true and false."""
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE/train.tsv").write_text(f"{GOOD}a\tb\t1\na\tb\tNot_Entailment\n")
    (tmp_path / "BoolQ").mkdir()
    line = '{"question": "q", "passage": "p", "idx": 3, "label": true}\n'
    (tmp_path / "BoolQ/train.jsonl").write_text(line + line.replace("true", "false"))
    rte, boolq = (load(TASKS[name], str(tmp_path)) for name in ("rte", "boolq"))
    assert sorted(np.concatenate([rte.train.labels, rte.dev[""].labels])) == [0, 1, 1]
    assert sorted(np.concatenate([boolq.train.labels, boolq.dev[""].labels])) == [0, 1]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_benchmarks_own_spellings_are_read(tmp_path: Path, mark: str) -> None:
    """CoLA without a header, Windows line ends and byte order marks, and MNLI's original columns are read."""
    for name, text in (("CoLA", "gj04\t1\t\tGood.\r\nks08\t0\t*\tBad is.\n"), ("MNLI", MNLI)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.tsv").write_text(mark + text, newline="")
        (tmp_path / name / ("dev_matched.tsv" if name == "MNLI" else "dev.tsv")).write_text(mark + text, newline="")
    cola, mnli = (load(TASKS[name], str(tmp_path)) for name in ("cola", "mnli"))
    assert (cola.train.texts, list(cola.train.labels)) == ([("Good.",), ("Bad is.",)], [1, 0])
    assert (mnli.train.texts, list(mnli.train.labels), mnli.train.index) == ([("a", "b")], [1], [31])
    assert list(mnli.dev) == ["_matched"]


def test_a_copy_of_the_hub_without_a_test_set_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of tests is empty, so nothing is submitted."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write_hub(TASKS["wic"], tmp_path / "hub", 6)
    readme = tmp_path / "hub/README.md"
    readme.write_text(readme.read_text().replace("  - split: test\n    path: wic/test-*\n", ""))
    assert load(TASKS["wic"], str(tmp_path / "hub")).test == {}


def test_without_a_dev_set_a_tenth_is_held_out(tmp_path: Path) -> None:
    """The held-out examples are always the same, are noted and are not trained on; so is a subset of the rest."""
    write_files(TASKS["mrpc"], tmp_path, 40)
    whole = load(TASKS["mrpc"], str(tmp_path))
    (tmp_path / "MRPC/dev.tsv").unlink()
    data = load(TASKS["mrpc"], str(tmp_path))
    assert sorted(data.train.texts + data.dev[""].texts) == sorted(whole.train.texts)
    assert (len(data.dev[""].texts), data.note) == (4, "dev: 4 examples of train, held out")
    assert data.digest == load(TASKS["mrpc"], str(tmp_path)).digest != whole.digest
    few = load(TASKS["mrpc"], str(tmp_path), train_examples=10)
    assert len(few.train.texts) == 10
    assert set(few.train.texts) < set(data.train.texts)
    assert few.note.endswith("; 10 of 36 training examples")


@pytest.mark.parametrize(
    ("task", "file", "text", "message"),
    [
        ("rte", "train.tsv", f"{GOOD}a\tb\n", ":3: 2 fields; expected 3: sentence1, sentence2, label"),
        ("rte", "train.tsv", f"{GOOD}a\tb\tperhaps\n", ":3: label='perhaps'; expected entailment, not_entailment, or"),
        ("rte", "train.tsv", f"{GOOD}a\tb\t2\n", ":3: label='2'; expected entailment"),
        ("rte", "train.tsv", f"{GOOD}a\t \t1\n", ":3: sentence2=' '; expected texts in sentence1, sentence2"),
        ("rte", "train.tsv", "a\tb\tlabel\nx\ty\t1\n", ":2: sentence1=None; expected texts"),
        ("rte", "train.tsv", GOOD.splitlines()[0] + "\n", "^RTE train: 0 examples, 0 labels"),
        ("rte", "dev.tsv", f"{GOOD}a\tb\t\n", ":3: label=''; expected"),
        ("rte", "test.tsv", f"{GOOD}a\tb\t-1\n", ":3: label='-1'; expected"),
        (
            "sts-b",
            "train.tsv",
            "sentence1\tsentence2\tscore\na\tb\t5.5\n",
            ":2: label='5.5'; expected a number from 0 to 5",
        ),
        ("sts-b", "train.tsv", "sentence1\tsentence2\tscore\na\tb\tnan\n", ":2: label='nan'; expected a number"),
        ("boolq", "train.jsonl", "{}\n", ":1: question=None; expected texts in question, passage"),
        ("boolq", "train.jsonl", "[1]\n", r":1: '\[1\]'; expected a JSON object"),
        ("sts-b", "train.tsv", "sentence1\tsentence2\tscore\na\tb\tinf\n", ":2: label='inf'; expected a number"),
        ("rte", "train.tsv", f"{GOOD}\n\t\t\n", ":4: sentence1=''; expected texts"),
        ("rte", "train.tsv", f"{GOOD}a\tb\t{'1' * 5000}\n", ":3: label='1+; expected entailment"),
        ("rte", "train.tsv", f"{GOOD}a\tb\t-0\n", ":3: label='-0'; expected entailment"),
        ("boolq", "train.jsonl", "[" * 100_000 + "\n", r":1: '\[+'; expected a JSON object"),
        ("boolq", "train.jsonl", '{"label": 1' + "0" * 5000 + "}\n", ":1: .*; expected a JSON object"),
        ("boolq", "train.jsonl", '{"question": "\\ud800", "passage": "p"}\n', ":1: question contains a lone surrogate"),
        ("boolq", "train.jsonl", '{"question": "q", "passage": ["p"]}\n', r":1: passage=\['p'\]; expected texts"),
        ("boolq", "train.jsonl", '\n{"question": "q", "passage": "p", "label": NaN}\n', ":2: label=nan; expected"),
        ("boolq", "train.jsonl", "no\n", ":1: 'no'; expected a JSON object"),
        (
            "copa",
            "train.jsonl",
            '{"premise": "a", "question": "why", "choice1": "b", "choice2": "c", "label": 0}\n',
            ":1: question='why'; expected cause or effect",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_file_and_line(
    task: str, file: str, text: str, message: str, files: Callable[..., str]
) -> None:
    """The error is one line."""
    source = files(task)
    Path(source, TASKS[task].title, file).write_text(text)
    with pytest.raises(ModelError, match=message) as error:
        load(TASKS[task], source)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_and_a_folder_without_the_task_are_one_line(files: Callable[..., str]) -> None:
    """A folder without the task's files is read as a copy of a hub dataset."""
    source = files("rte")
    Path(source, "RTE/train.tsv").write_bytes(GOOD.encode().splitlines()[0] + b"\n\xff\n")
    with pytest.raises(ModelError, match="RTE/train.tsv:2: cannot be read as UTF-8 text"):
        load(TASKS["rte"], source)
    with pytest.raises(ModelError, match="cola is not there .*; expected CoLA/train.tsv in a folder") as error:
        load(TASKS["cola"], source)
    assert "\n" not in str(error.value)


def test_an_unknown_task_is_told_the_known_ones() -> None:
    """The error lists all tasks; a task named twice is returned once."""
    assert [task.title for task in find(["rte", "rte", "super-rte"])] == ["RTE", "RTE"]
    with pytest.raises(ModelError, match="task 'RTE' is not known; use one of cola, sst-2, .*super-rte, wic, copa"):
        find(["RTE"])


@pytest.mark.parametrize(
    ("name", "train", "dev", "test"),
    [
        ("cola", 8551, 1043, 0),
        ("sst-2", 67349, 872, 1821),
        ("mrpc", 3669, 407, 1725),
        ("sts-b", 5749, 1500, 1379),
        ("rte", 2490, 277, 0),
        ("wnli", 635, 71, 0),
    ],
)
def test_real_files_are_read_whole(name: str, train: int, dev: int, test: int, data: Path) -> None:
    """The sizes are those that GLUE states; of MRPC, which has no dev set, a tenth of train is held out."""
    splits = load(TASKS[name], str(data / "glue"))
    found = [len(split.texts) for split in (splits.train, splits.dev[""], *splits.test.values())]
    assert found == [train, dev, *([test] if test else [])]
