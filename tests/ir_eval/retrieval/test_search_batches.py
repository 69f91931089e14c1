"""batches: a long search that is killed goes on where it was, and nothing is served that was found for another."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.retrieval import Retrieved, search_batches
from ir_eval.retrieval.search_batches import Topics, retrieve_in_batches

TOPICS = {f"q{number}": f"text {number}" for number in range(10)}


@dataclass
class Fake:
    """Finds documents whose ids tell what it was asked."""

    key: str = "fake"
    name: str = "fake"
    seen: list[Topics] = field(default_factory=list)
    prepared: int = 0

    def prepare(self) -> None:
        """Take time, before any search."""
        assert not self.seen
        self.prepared += 1
        search_batches.perf_counter()

    def retrieve(self, topics: dict[str, str], k: int = 1000) -> Retrieved:
        """Search in batches."""
        return retrieve_in_batches(self, topics, k, search=self.write)

    def search(self, topics: dict[str, str], k: int = 1000) -> Run:
        """Search in batches."""
        return self.retrieve(topics, k).run

    def write(self, topics: Topics, k: int, path: Path) -> None:
        """Write a run of two documents each."""
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
    monkeypatch.setattr(search_batches, "TOPICS_AT_ONCE", 3)
    return tmp_path / "cache"


def test_batches_make_one_run_in_whatever_order_topics_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every topic is searched for once; asked again none is, and the time is the first one's, without preparing."""
    monkeypatch.setattr(search_batches, "perf_counter", count().__next__)  # a clock that moves when it is looked at
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


def test_what_is_kept_is_for_these_topics_this_k_and_this_key() -> None:
    """A change asks again, for the batch that it touches."""
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
    """Some are absent from the run; if all are, that is no run."""
    assert list(Fake().search({"q": "nothing", "r": "text"}, 2)) == ["r"]
    for topics in ({"q": "nothing"}, {}):
        with pytest.raises(InputError, match=f"fake: no document for any of {len(topics)} topics; expected"):
            Fake().search(topics)
    with pytest.raises(InputError, match="fake for the best 0 documents; expected at least 1"):
        Fake().search(TOPICS, 0)


KILLED = """
import os, signal, sys
from ir_eval.retrieval import search_batches
from tests.ir_eval.retrieval.test_search_batches import Fake, TOPICS
search_batches.TOPICS_AT_ONCE = 3
class Killed(Fake):
    def write(self, topics, k, path):
        super().write(topics, k, path)
        if len(self.seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
Killed().search(TOPICS, 5)
"""


def test_a_killed_search_goes_on(cache: Path) -> None:
    """What was found before stays; the run is the same as without an interruption."""
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=root).returncode == -signal.SIGKILL
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 2
    fake = Fake()
    run = fake.search(TOPICS, 5)
    assert [len(topics) for topics in fake.seen] == [3, 1]
    assert run == Fake().search(TOPICS, 5)
    assert len(run) == 10


def test_a_damaged_batch_is_found_again(cache: Path) -> None:
    """Whatever happened to its file."""
    run = Fake().search(TOPICS, 5)
    path = next(path for path in sorted(cache.rglob("*")) if path.is_file())
    path.write_bytes(path.read_bytes()[:-1])
    fake = Fake()
    assert fake.search(TOPICS, 5) == run
    assert len(fake.seen) == 1
