"""The fuzzer: input ``i`` of a target depends on its name and ``i`` only, so that a run can go on or be repeated."""

import hashlib
import json
import math
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import datasets
import huggingface_hub
import pyarrow

from gemma_st.errors import ModelError
from gemma_st.files import digest, write_whole
from ir_eval.errors import InputError
from tests.faults.mutation import mutate

BLOCK = 500  # inputs of one target between two looks at the clock
SLOW = 10  # seconds after which an input counts as one that never ends
ROOT = Path(__file__).parents[2]


class TooSlow(BaseException):
    """An input that seems never to end; no ``except Exception`` of a reader can hide it."""


class Disagreement(Exception):
    """Two ways to read the same input that differ."""


@dataclass(frozen=True)
class Target:
    """One reader under test.

    Attributes:
        name: Name of the reader.
        examples: Inputs that the reader accepts, bytes or Python values.
        read: Reads an input in a folder; any exception but InputError and ModelError is a fault.
        mutation: Makes an input from the examples.
        prepare: Writes the files beside the input into the folder, once.
        share: Share of the inputs, relative to other targets.
    """

    name: str
    examples: Sequence[Any]
    read: Callable[[Path, Any], object]
    mutation: Callable[[Random, Sequence[Any]], Any] = mutate
    prepare: Callable[[Path], object] = lambda folder: None
    share: float = 1.0

    def make(self, number: int) -> Any:
        """Return the input of a number."""
        return self.mutation(Random(f"{self.name}/{number}"), self.examples)


@dataclass
class Tally:
    """Inputs tried and accepted, and the smallest input found for each fault."""

    tried: int = 0
    accepted: int = 0
    faults: dict[str, str] = field(default_factory=dict)


def check(target: Target, folder: Path, data: Any) -> str | None:
    """Return "" if the target accepts an input, None if it refuses it as it should, or else the fault."""
    try:
        with _limited():
            target.read(folder, data)
    except (InputError, ModelError) as error:
        several = "\n" in str(error) and not (isinstance(data, str) and "\n" in data)  # a name may have its own
        return f"message {str(error)[:80]!r}" if several or not str(error).strip() else None
    except (Exception, TooSlow) as error:
        return f"{type(error).__name__} at {_place(error)}"
    return ""


def minimise(data: bytes, same: Callable[[bytes], bool]) -> bytes:
    """Remove chunks of an input, ever smaller ones, as long as the fault stays the same."""
    size = max(1, len(data) // 2)
    while size:
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            if same(shorter):
                data = shorter
            else:
                start += size
        size //= 2
    return data


def examine(target: Target, folder: Path, numbers: Iterable[int], tally: Tally) -> None:
    """Try the inputs with these numbers; the folder is prepared."""
    for number in numbers:
        data = target.make(number)
        tally.tried += 1
        fault = check(target, folder, data)
        tally.accepted += fault == ""
        if fault and fault not in tally.faults:
            tally.faults[fault] = repr(_smallest(target, folder, data, fault) if isinstance(data, bytes) else data)


def _smallest(target: Target, folder: Path, data: bytes, fault: str) -> bytes:
    """Minimise an input with a fault, for some seconds."""
    end = monotonic() + SLOW
    return minimise(data, lambda shorter: monotonic() < end and check(target, folder, shorter) == fault)


@contextmanager
def workplace() -> Iterator[Path]:
    """Yield an empty current folder, in memory if possible, whose cache is in it; nothing asks the network."""
    memory = Path("/dev/shm")  # noqa: S108
    before, environment, threads = Path.cwd(), dict(os.environ), pyarrow.cpu_count()
    pyarrow.set_cpu_count(1)  # waking its threads for each small file would take four times as long
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        os.environ |= {"IR_EVAL_CACHE": f"{folder}/cache"}
        huggingface_hub.constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ |= environment
            pyarrow.set_cpu_count(threads)


def fuzz(targets: Sequence[Target], *, inputs: int, seconds: float, state: Path | None) -> dict[str, Tally]:
    """Try so many inputs in all, in blocks of each target in turn, until the time is over.

    If there is a file ``state`` of the same code, go on after the inputs that it names; it is written after each round.
    """
    state = state and state.resolve()
    kept = _resume(state)
    tallies = {target.name: Tally(**kept.get(target.name, {})) for target in targets}
    whole = sum(target.share for target in targets)
    goals = {target.name: max(1, math.ceil(inputs * target.share / whole)) for target in targets}
    end = monotonic() + seconds
    with workplace() as place:
        folders = {target.name: place / str(number) for number, target in enumerate(targets)}
        for target in targets:
            folders[target.name].mkdir()
            target.prepare(folders[target.name])
        rounds = max(-(-goal // BLOCK) for goal in goals.values())
        for number in range(1, rounds + 1):
            for target in targets:
                tally, goal = tallies[target.name], goals[target.name] * number // rounds
                examine(target, folders[target.name], range(tally.tried, goal), tally)
                if monotonic() > end:
                    break
            if state:
                plain = {"code": _code(), "tallies": {name: vars(tally) for name, tally in tallies.items()}}
                write_whole(state, json.dumps(plain, indent=1) + "\n")
                _report(tallies, sum(goals.values()))
            if monotonic() > end:
                break
    return tallies


def _resume(state: Path | None) -> dict[str, dict[str, Any]]:
    """Return the tallies of a state; an input of other code must be tried again."""
    kept: dict[str, Any] = json.loads(state.read_text()) if state and state.exists() else {}
    return kept["tallies"] if kept.get("code") == _code() else {}


@cache
def _code() -> str:
    """Return a hash of the packages and of the examination."""
    files = sorted(path for part in ("gemma_st", "ir_eval", "tests/faults") for path in (ROOT / part).rglob("*.py"))
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()


def _report(tallies: dict[str, Tally], goal: int) -> None:
    tried, faults = sum(t.tried for t in tallies.values()), sum(len(t.faults) for t in tallies.values())
    sys.stderr.write(f"fuzz: {tried:,} of {goal:,} inputs, {faults} faults\n")


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TooSlow in a block that takes too long."""

    def stop(*_: object) -> None:
        raise TooSlow

    former = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SLOW)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _place(error: BaseException) -> str:
    """Return the innermost line of this project, or else of the traceback, that an exception passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if Path(frame.filename).is_relative_to(ROOT) and "faults/fuzzer" not in frame.filename
    ]
    frame = (own or frames)[-1]
    name = Path(frame.filename)
    return f"{name.relative_to(ROOT) if name.is_relative_to(ROOT) else name.name}:{frame.lineno}"
