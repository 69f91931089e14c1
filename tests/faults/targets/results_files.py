"""``results.json`` read back, compared, reported and put into a model card; the files beside lists and checkpoints."""

import copy
import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from gemma_st.hub.card import results_table
from gemma_st.hub.training_record import data_names, describe_training
from gemma_st.training.stage import claim
from ir_eval.cli import main
from ir_eval.errors import InputError
from ir_eval.experiment import read_results, run_experiment, single
from ir_eval.report.html import write_report
from ir_eval.report.results_tables import results_notes, results_table as experiment_table
from ir_eval.report.terminal import show
from tests.faults.fuzzer import Target
from tests.faults.mutation import mutate_json
from tests.faults.targets.collections import BEIR, write

RUN = b"q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.25 bm25\nq2 Q0 d1 1 3 bm25\n"
RESULTS: dict[str, Any] = {
    "experiment": {
        "collections": [{"name": "FOLDER/collection"}],
        "measures": ["map", "ndcg@10"],
        "baseline": "a",
        "correction": "holm",
        "seed": 0,
        "systems": {"a": {"run": "FOLDER/a.trec"}, "b": {"run": "FOLDER/b.trec"}},
    },
    "collections": [
        {
            "name": "collection",
            "split": "test",
            "folder": "collection-test",
            "qrels": "collection-test/qrels.txt",
            "topics": 2,
            "fingerprint": "FINGERPRINT",
            "missing_judged": 0,
            "systems": [
                {
                    "name": name,
                    "run": f"collection-test/{name}.trec",
                    "sha256": f"SHA-{name}",
                    "measures": {"map": 0.75, "ndcg@10": 0.815},
                    "answered": 2,
                    "seconds": 1.5,
                }
                for name in ("a", "b")
            ],
        }
    ],
    "tuned": {},
    "versions": {"ir_eval": "0.2.0"},
    "commit": "4b0a19e",
    "sources": "0f3a",
}
RERANKED = copy.deepcopy(RESULTS)
RERANKED["experiment"]["systems"]["b"] = {"rerank": "a", "model": "b", "depth": 20}
RECORD: dict[str, Any] = {
    "stage": {"loss": {"name": "softmax"}, "lists": [{"file": "lists.jsonl", "sha256": "0f"}], "start": "0f3a"},
    "commit": "4b0a19e",
    "versions": {"torch": "2.13.0"},
    "data": [{"file": "lists.jsonl"}],
    "measures": ["mrr@10"],
    "step": 2,
    "log": [{"step": 1, "loss": 0.7, "eval_mrr@10": 0.5}, {"step": 2, "loss": 0.6, "eval_mrr@10": 0.6}],
}


class Terminal(io.TextIOWrapper):
    """A stream that takes what a terminal takes: encodable text without escape sequences from the input."""

    def __init__(self) -> None:
        """Open it."""
        super().__init__(io.BytesIO(), encoding="utf-8")

    def write(self, text: str) -> int:
        """Refuse escape sequences."""
        if "\x1b" in text:
            raise ValueError("an escape sequence reaches the terminal")
        return super().write(text)


def command(*words: str) -> None:
    """Run ``ir-eval``; a refusal is an InputError, and foreign exceptions pass."""
    with redirect_stdout(Terminal()), redirect_stderr(Terminal()):
        if main(words) == 2:
            raise InputError("refused")


def _prepare(folder: Path) -> None:
    """Run an experiment of two systems in a folder."""
    write(BEIR, folder / "collection")
    for name in ("a.trec", "b.trec"):
        (folder / name).write_bytes(RUN)
    experiment = single(str(folder / "collection"), first_stage=str(folder / "a.trec"), measures=("map", "ndcg@10"))
    systems = {**experiment.systems, "b": type(experiment.systems["a"])(str(folder / "b.trec"))}
    run_experiment(type(experiment)(experiment.collections, systems, experiment.measures), folder / "out")
    (folder / "out/results.json").rename(folder / "sound.json")


def _write(folder: Path, data: bytes) -> None:
    """Write ``results.json`` with the folder and the hashes of this machine in place of their names."""
    sound = json.loads((folder / "sound.json").read_text())["collections"][0]
    names = {
        "FOLDER": str(folder),
        "FINGERPRINT": sound["fingerprint"],
        **{f"SHA-{system['name']}": system["sha256"] for system in sound["systems"]},
    }
    for name, value in names.items():
        data = data.replace(name.encode(), value.encode())
    (folder / "out/results.json").write_bytes(data)


def _results(folder: Path, data: bytes) -> None:
    _write(folder, data)
    read_results(folder / "out")


def _report(folder: Path, data: bytes) -> None:
    _write(folder, data)
    results = read_results(folder / "out")
    with redirect_stdout(Terminal()):
        show(*(experiment_table(results, outcome) for outcome in results.outcomes), notes=results_notes(results))
    write_report(results, folder / "report.html")


def _compare(folder: Path, data: bytes) -> None:
    _write(folder, data)
    command("compare", str(folder / "out"), "--test", "t")


def _card(folder: Path, data: bytes) -> None:
    _write(folder, data)
    results_table([folder / "out/results.json"])


def _record(folder: Path, data: bytes) -> None:
    (folder / "training.json").write_bytes(data)
    describe_training(folder)


def _origin(folder: Path, data: bytes) -> None:
    (folder / "lists.json").write_bytes(data)
    data_names({"lists": [{"file": str(folder / "lists.jsonl")}]})


def _stage(folder: Path, data: bytes) -> None:
    (folder / "stage.json").write_bytes(data)
    claim(folder, RECORD["stage"])


def _checkpoint(folder: Path) -> None:
    write({"checkpoint-2/loss.safetensors": b""}, folder)


def _target(name: str, examples: list[Any], read: Callable[[Path, bytes], object], **options: Any) -> Target:
    return Target(name, [json.dumps(example).encode() for example in examples], read, mutate_json, **options)


ORIGIN = {"collection": "c", "split": "train", "seed": 0, "lists": 2}
TARGETS = (
    _target("results.json", [RESULTS], _results, prepare=_prepare, share=0.3),
    _target("report of results.json", [RESULTS], _report, prepare=_prepare, share=0.005),
    _target("compare of results.json", [RESULTS], _compare, prepare=_prepare, share=0.005),
    _target("model card's results.json", [RERANKED], _card, prepare=_prepare),
    _target("training record", [RECORD], _record),
    _target("record of lists", [ORIGIN], _origin),
    _target("record of checkpoints", [RECORD["stage"]], _stage, prepare=_checkpoint),
)
