"""Tests of ir_eval.retrieval.retriever: batches, their cache keys, and resumption after an interruption."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.retrieval import Retriever, retriever
from ir_eval.retrieval.retriever import Topics

TOPICS = {f"q{number}": f"text {number}" for number in range(10)}


@dataclass
class Fake(Retriever):
    """Finds documents whose ids contain the key and the query text."""

    key: str = "fake"
    name: str = "fake"
    seen: list[Topics] = field(default_factory=list)
    prepared: int = 0

    def prepare(self) -> None:
        """Count the calls, and move the clock."""
        assert not self.seen
        self.prepared += 1
        retriever.perf_counter()

    def search_batch(self, topics: Topics, k: int, path: Path) -> None:
        """Write a run of two documents per topic."""
        self.seen.append(topics)
        lines = [
            f"{query_id} Q0 {self.key}-{text.replace(' ', '-')}-{n} 0 {k - n} tag\n"
            for query_id, text in topics
            for n in (0, 1)
            if text != "nothing"
        ]
        path.write_text("".join(lines))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test, and batches of three topics."""
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retriever, "TOPICS_PER_BATCH", 3)
    return tmp_path / "cache"


def test_batches_make_one_run_in_any_order_of_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every topic is searched once; a second call reads the run and its time from the cache and prepares nothing."""
    monkeypatch.setattr(retriever, "perf_counter", count().__next__)  # a clock that moves by 1 with every call
    fake = Fake()
    run, seconds = fake.retrieve(TOPICS, 5)
    expected = {
        query: {f"fake-{text.replace(' ', '-')}-{n}": 5.0 - n for n in (0, 1)} for query, text in TOPICS.items()
    }
    assert run == Run.from_dict(expected)
    assert run.name == "fake"
    assert [len(topics) for topics in fake.seen] == [3, 3, 3, 1]
    again = Fake()
    assert again.retrieve(dict(reversed(TOPICS.items())), 5) == (run, seconds)
    assert seconds == 4
    assert (fake.prepared, again.prepared) == (1, 0)
    assert not again.seen


def test_the_cache_key_holds_topics_k_and_key() -> None:
    """A change of one of them searches again, but only the batches that it affects."""
    Fake().search(TOPICS, 5)
    for fake, topics, k, searched in [
        (Fake(), TOPICS | {"q4": "other"}, 5, 1),
        (Fake(), TOPICS, 6, 4),
        (Fake("changed"), TOPICS, 5, 4),
        (Fake(), {query: text for query, text in TOPICS.items() if query != "q9"}, 5, 0),
    ]:
        found = fake.search(topics, k)
        assert len(fake.seen) == searched
        assert found.to_dict() == {
            query: {f"{fake.key}-{text.replace(' ', '-')}-{n}": k - n for n in (0, 1)} for query, text in topics.items()
        }


def test_topics_without_documents() -> None:
    """They are absent from the run; if no topic has a document, it is an error."""
    assert list(Fake().search({"q": "nothing", "r": "text"}, 2)) == ["r"]
    for topics in ({"q": "nothing"}, {}):
        with pytest.raises(InputError, match=f"fake: no document for any of {len(topics)} topics; expected"):
            Fake().search(topics)
    with pytest.raises(InputError, match="fake for the best 0 documents; expected at least 1"):
        Fake().search(TOPICS, 0)


KILLED = """
import os, signal, sys
from ir_eval.retrieval import retriever
from tests.ir_eval.retrieval.test_retriever import Fake, TOPICS
retriever.TOPICS_PER_BATCH = 3
class Killed(Fake):
    def search_batch(self, topics, k, path):
        super().search_batch(topics, k, path)
        if len(self.seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
Killed().search(TOPICS, 5)
"""


def test_a_killed_search_resumes(cache: Path) -> None:
    """Complete batches are not searched again, and the run is the same as without the interruption."""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=root).returncode == -signal.SIGKILL
    assert len([path for path in cache.rglob("*") if path.is_file() and path.name != "about.txt"]) == 2
    fake = Fake()
    run = fake.search(TOPICS, 5)
    assert [len(topics) for topics in fake.seen] == [3, 1]
    assert run == Fake().search(TOPICS, 5)
    assert len(run) == 10


def test_a_damaged_batch_is_searched_again(cache: Path) -> None:
    """The cache notices that the file is not as it was written."""
    run = Fake().search(TOPICS, 5)
    path = next(path for path in sorted(cache.rglob("*")) if path.is_file() and path.name != "about.txt")
    path.write_bytes(path.read_bytes()[:-1])
    fake = Fake()
    assert fake.search(TOPICS, 5) == run
    assert len(fake.seen) == 1
