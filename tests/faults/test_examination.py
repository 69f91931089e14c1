"""The short form of ``make faults``, and tests of the examination itself."""

import json
from pathlib import Path

import pytest

from tests.faults.commands import COMMANDS, Command, fresh, half_files, snapshot, start
from tests.faults.examination import BEGIN, END, KINDS, Outcome, examine, publish
from tests.faults.fuzzer import Target, check
from tests.faults.systematic import text_damages, tree_damages
from tests.faults.threads import difference

THIN = 499


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_fails(kind: str) -> None:
    """Few tries of each kind."""
    outcome = examine([kind], thin=THIN)[kind]
    assert outcome.tried
    assert outcome.faults == []


def test_damages_are_all_different_and_none_is_the_example() -> None:
    """Of texts and of trees."""
    example = b"q1 0 d1 1\nq1 0 d2 0\n"
    texts = list(text_damages(example))
    assert len(set(texts)) > 300
    trees = [json.dumps(tree) for tree in tree_damages({"a": [1], "b": {"c": 2}})]
    assert len(set(trees)) > 100
    assert json.dumps({"b": {"c": 2}}) in trees
    assert json.dumps({"a": [1], "b": {"cx": 2}}) in trees


def test_a_half_file_and_a_changed_one_are_seen(tmp_path: Path) -> None:
    """Hidden files are temporary; times may differ."""
    for name, text in {"a.json": '{"seconds": 1, "x": 2}', "b.trec": "q1", ".c.trec": "q"}.items():
        (tmp_path / name).write_text(text)
    whole = snapshot(tmp_path)
    assert sorted(whole) == ["a.json", "b.trec"]
    (tmp_path / "a.json").write_text('{"seconds": 2, "x": 2}')
    assert list(half_files(snapshot(tmp_path), whole)) == []
    (tmp_path / "b.trec").write_text("q")
    (tmp_path / "d.json").write_text("{")
    assert list(half_files(snapshot(tmp_path), whole)) == ["b.trec", "d.json"]


def test_the_faults_of_commands_are_seen(tmp_path: Path) -> None:
    """A refusal of one line is right, an exception that no command expects is not."""
    folder = fresh(tmp_path, "work")
    refused = start(Command(("ir-eval", "fuse", "bm25.trec", "absent.trec", "--out", "x"), "x"), folder)
    assert refused.wait() == 2
    assert refused.fault == ""
    broken = start(Command(("nothing",), "x"), folder)
    assert broken.wait() == 1
    assert "KeyError" in broken.fault
    whole = start(COMMANDS["fuse"], folder)
    assert whole.wait() == 0
    assert list(snapshot(folder / "fused.trec")) == ["."]


def test_threads_that_disturb_each_other_are_seen() -> None:
    """By their results or their exception."""
    calls = list[int]()
    assert "differ" in difference(lambda number: calls.append(number) or len(calls), 3)
    assert difference(lambda number: number, 3) == ""
    assert difference(lambda number: calls[number], 3) == ""


def test_a_message_of_two_lines_is_a_fault(tmp_path: Path) -> None:
    """A command would print one line only."""
    target = Target("broken", (b"",), lambda folder, data: [][0])
    assert str(check(target, tmp_path, b"")).startswith("IndexError at tests/faults/test_examination.py:")


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    """What other kinds had stays, and so does the text around the table."""
    page, record = tmp_path / "page.md", tmp_path / "record.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for name, faults in (("kills", []), ("threads", ["predict: differs"])):
        publish({name: Outcome(40, faults, "make faults", "2026-11-28", "4b0a19e0")}, page, record)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| kind | tried | failed |")
    assert text.endswith(f"{END}\nafter\n")
    assert "| kills | 40 | 0 | `make faults` | 2026-11-28 | 4b0a19e |" in text
    assert "| threads | 40 | 1 |" in text
    assert json.loads(record.read_text())["threads"]["faults"] == ["predict: differs"]
