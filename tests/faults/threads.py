"""Threads: one model, one cache and one run from eight threads give what one thread gives."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident
from typing import Any

import numpy as np

from ir_eval.cache import cached, remembered
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import evaluate
from tests.faults.fuzzer import workplace
from tests.faults.small_models import small_reranker

THREADS, CALLS = 8, 50
Call = Callable[[int], Any]


def tries(root: Path, thin: int) -> Iterator[tuple[str, str]]:
    """Call each function from eight threads."""
    model = small_reranker()

    def predict(number: int) -> Any:
        return model.predict([("what is gold", "Gold is a metal. " * (1 + number % 17)), ("fish", "Goldfish grow.")])

    def windows(number: int) -> Any:
        return model.predict([("what is gold", "Gold is a metal. " * (1 + number % 40))])

    def rank(number: int) -> Any:
        found = model.rank("what is gold", ["Gold is a metal. " * (1 + number % 17), "Goldfish grow.", "x" * number])
        return [row["score"] for row in sorted(found, key=lambda row: row["corpus_id"])]

    def longest(number: int) -> Any:
        return model.predict([("what is gold", "Gold is a metal. " * 20)], max_length=20 + number % 17)

    for call in (predict, rank, longest):
        yield f"{call.__name__}, {THREADS} × {CALLS} calls", difference(call, CALLS if thin == 1 else 5)
    model.stride = 50
    yield f"windows, {THREADS} × {CALLS} calls", difference(windows, CALLS if thin == 1 else 5)
    model.stride = None
    with workplace() as place:
        for call in (_evaluate, _read_and_write, _remember, _build):
            yield f"{call.__name__[1:]}, {THREADS} × {CALLS} calls", difference(call, CALLS)
        left = [path.name for path in place.rglob(".*")]
        yield "temporary files of threads", f"left behind: {left[:3]}" if left else ""


def difference(call: Call, calls: int) -> str:
    """Return how the results of eight threads differ from those of one, or their exception."""
    expected = {number: call(number) for number in range(calls)}
    barrier = Barrier(THREADS)

    def work(thread: int) -> float:
        barrier.wait()
        order = [(thread * 7 + number) % calls for number in range(calls)]
        return max(float(np.abs(np.asarray(call(number)) - np.asarray(expected[number])).max()) for number in order)

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            worst = max(threads.map(work, range(THREADS)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"results differ by up to {worst:.3g}" if worst > 1e-6 else ""


def _evaluate(number: int) -> list[float]:
    run = Run.from_dict({"q1": {f"d{place}": float((place * number) % 7) for place in range(20)}})
    return list(evaluate(Qrels.from_dict({"q1": {"d1": 1, "d5": 2}}), run, ["ndcg@10", "map"]).means.values())


def _read_and_write(number: int) -> float:
    path = f"run-{get_ident()}.trec"  # each thread its own: a file that is replaced while it is read is an error
    Run.from_dict({"q1": {"d1": float(number % 5)}}).write(path)
    return float(Run.read(path).scores[0])


def _remember(number: int) -> float:
    return float(remembered(f"numbers/{number % 10}", lambda: b"%d" % (number % 10)))


def _build(number: int) -> float:
    folder = cached(f"folders/{number}", lambda folder: (folder / "part").write_text(str(number)) and None)
    return float((folder / "part").read_text())
