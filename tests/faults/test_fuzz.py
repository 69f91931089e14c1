"""The short form of ``make fuzz``, the inputs that it found, and tests of the fuzzer itself."""

from functools import partial
from pathlib import Path
from random import Random

import pytest

from gemma_st.errors import ModelError
from ir_eval.data import trec
from ir_eval.errors import InputError
from tests.faults.found import FOUND
from tests.faults.fuzzer import SLOW, Tally, Target, check, fuzz, minimise, workplace
from tests.faults.mutation import mutate, mutate_tree
from tests.faults.targets import TARGETS

INPUTS = 20_000


def test_no_reader_raises_a_foreign_exception() -> None:
    """Random inputs end in an InputError or a ModelError of one line, or are read."""
    tallies = fuzz(list(TARGETS.values()), inputs=INPUTS, seconds=120, state=None)
    assert {name: tally.faults for name, tally in tallies.items() if tally.faults} == {}


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_accepts_its_examples_and_what_was_found_is_mended(name: str) -> None:
    """Otherwise its inputs would all be refused for the same reason."""
    target = TARGETS[name]
    with workplace() as place:
        target.prepare(place)
        for example in target.examples:
            target.read(place, example)
        for data in FOUND.get(name, ()):
            assert check(target, place, data) in (None, ""), data


def test_run_files_are_read_by_both_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the inputs of a run file pass through the fast reader, and the careful one reads all."""
    target, fast = TARGETS["run file"], list[bool]()
    regular = trec._read_regular
    monkeypatch.setattr(trec, "_read_regular", lambda *given: fast.append(True) or regular(*given))
    tried = [check(target, tmp_path, target.make(number)) for number in range(100)]
    assert 20 < tried.count("") < 80
    assert len(fast) > 100


def broken(folder: Path, data: bytes) -> None:
    """Fail in three ways."""
    if b"!" in data:
        raise KeyError("!")
    if b"?" in data:
        raise InputError("two\nlines")
    if b"." in data:
        raise ModelError("x.txt: as it should be")


def test_the_fuzzer_finds_and_minimises_faults(tmp_path: Path) -> None:
    """A foreign exception, and a message of two lines."""
    target = Target("broken", (b"a! b? c.\n",), broken)
    found = fuzz([target], inputs=200, seconds=60, state=None)["broken"]
    assert found.tried == 200
    assert sorted(found.faults.values()) == ["b'!'", "b'?'"]
    assert check(target, tmp_path, b".") is None
    assert check(target, tmp_path, b"a") == ""


def test_an_input_that_never_ends_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the reader catches every exception."""

    def endless(folder: Path, data: bytes) -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:
                return

    monkeypatch.setattr("tests.faults.fuzzer.SLOW", SLOW / 100)
    assert str(check(Target("endless", (b"",), endless), tmp_path, b"")).startswith(
        "TooSlow at tests/faults/test_fuzz.py"
    )


def test_a_fuzz_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Together, two halves try the inputs of a whole."""
    seen = list[bytes]()
    target = Target("seen", (b"a b\n",), lambda folder, data: seen.append(data))
    for inputs in (100, 250):
        tallies = fuzz([target], inputs=inputs, seconds=60, state=tmp_path / "state.json")
    assert tallies["seen"] == Tally(250, 250)
    assert seen == [target.make(number) for number in range(250)]


def test_mutations_depend_on_the_seed_only() -> None:
    """And one in sixteen is none."""
    made = [mutate(Random(number), (b"q1 0 d1 1\n",)) for number in range(320)]
    assert made == [mutate(Random(number), (b"q1 0 d1 1\n",)) for number in range(320)]
    assert 5 < made.count(b"q1 0 d1 1\n") < 80
    tree = {"a": [1, {"b": None}]}
    trees = [mutate_tree(Random(number), tree) for number in range(100)]
    assert len({repr(changed) for changed in trees}) > 50
    assert tree == {"a": [1, {"b": None}]}


def test_minimised_inputs_are_as_short_as_can_be() -> None:
    """No byte can be left out."""
    contains = partial(lambda parts, data: all(part in data for part in parts), (b"ab", b"z"))
    assert sorted(minimise(b"xxxabyyyyyzxx" * 3, contains)) == sorted(b"abz")
