"""Names: of measures, systems, models and collections, and the texts of a submission."""

import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

from gemma_st.names import locate
from ir_eval.collections import open_collection
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.evaluation.measures import parse_measure
from ir_eval.experiment import Given, parse_experiment
from ir_eval.leaderboard import Submission, write_submission
from ir_eval.report.results_tables import measures_table
from ir_eval.report.terminal import show
from tests.faults.fuzzer import Disagreement, Target
from tests.faults.mutation import mutate, mutate_trees
from tests.faults.targets.collections import BEIR, write
from tests.faults.targets.results_files import Terminal

MEASURES = ("ndcg@10", "map-l2", "mrr@10-l2", "precision@5", "recall@1000", "r-precision", "judged@10", "bpref")
SYSTEMS = ("bm25", "größe", "a b", "bm25-k1=0.9", "model.v2")
MODELS = ("gemma-encoder-msmarco", "owner/model", ".", "all-minilm-l6-v2")
COLLECTIONS = ("collection", "./collection")
SUBMISSION = ["20260131-ours", "us", "BM25", "https://example.org/paper", "https://example.org/code", "reranking"]
QRELS, RUN = Qrels.from_dict({"q1": {"d1": 1}}), Run.from_dict({"q1": {"d1": 2.0, "d2": 1.0}}, name="bm25")
NUMBERED = Run.from_dict({"1": {"7": 2.0}})


def _text(random: Random, examples: Sequence[str]) -> str:
    """Return a mutated text, in which other bytes than UTF-8 are lone surrogates, as in the arguments of a process."""
    return mutate(random, [text.encode() for text in examples]).decode("utf-8", "surrogateescape")


def _measure(folder: Path, text: str) -> None:
    measure = parse_measure(text)
    if parse_measure(str(measure)) != measure:
        raise Disagreement
    evaluate(QRELS, RUN, [measure])


def _system(folder: Path, name: str) -> None:
    given = {"collections": ["c"], "systems": {name: {"run": "run.trec"}}}
    experiment = parse_experiment(given)
    RUN.write(folder / f"{name}.trec")
    (folder / f"{name}.trec").unlink()
    with redirect_stdout(Terminal()):
        show(measures_table({system: evaluate(QRELS, RUN, ["map"]) for system in experiment.systems}))


def _given(folder: Path, name: str) -> None:
    Given(name).check_for(_Named())  # type: ignore[arg-type]


class _Named:
    """What `Given` reads of a collection."""

    name = "collection"


def _collection(folder: Path, name: str) -> None:
    open_collection(name)


def _collections(folder: Path) -> None:
    """Write a collection and a run into the current folder, where relative names lead."""
    write({**BEIR, "run.trec": b"q1 Q0 d1 1 2 a\n"}, Path("collection"))


def _submission(folder: Path, values: Any) -> None:
    if not isinstance(values, list) or len(values) != len(SUBMISSION):
        raise InputError("no submission")
    submission = Submission(*values)
    path = write_submission(submission, NUMBERED, NUMBERED, folder)
    json.loads(path.with_name(f"{path.name}-metadata.json").read_text())
    for written in (*path.iterdir(), path.with_name(f"{path.name}-metadata.json")):
        written.unlink()
    path.rmdir()


TARGETS = (
    Target("measure name", MEASURES, _measure, _text, share=2),
    Target("system name", SYSTEMS, _system, _text, share=0.3),
    Target("model name", MODELS, lambda folder, name: locate(name), _text),
    Target("run name", ("collection/run.trec", "{collection}/run.trec"), _given, _text, _collections, share=0.5),
    Target("collection name", COLLECTIONS, _collection, _text, _collections, share=0.3),
    Target("submission", (SUBMISSION,), _submission, mutate_trees),
)
