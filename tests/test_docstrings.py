"""Every public function and class has an Example, and every Example runs and prints what it says.

An Example runs in a folder with the files that `examples_folder` writes: ``decoder`` (a tiny Gemma), ``reranker`` (a
tiny cross-encoder), ``collection`` (BEIR layout), ``qrels.txt``, ``bm25.trec``, ``reranked.trec``, ``lists.jsonl``,
``stage.toml``, ``experiment.toml``, ``glue`` (SST-2 as the benchmark has it) and ``study.toml``.
"""

import doctest
import inspect
import json
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

PACKAGES = ("gemma_st", "ir_eval")
MODULES = [
    found.name
    for package in PACKAGES
    for found in walk_packages(import_module(package).__path__, f"{package}.")
    if not found.name.endswith("__main__")
]
TEXTS = {
    "d1": "Goldfish grow as long as they live.",
    "d2": "Gold is a metal.",
    "d3": "Python is a programming language.",
    "d4": "A python is a snake that swallows its prey whole.",
}
QUERIES = {"q1": "do goldfish grow", "q2": "what is python"}
STAGE = """\
output = "trained"
lists = ["lists.jsonl"]
model = { base = "decoder" }
loss = { name = "softmax" }

[trainer]
use_cpu = true
max_steps = 1
per_device_train_batch_size = 2
disable_tqdm = true
"""
EXPERIMENT = """\
collections = [{ name = "collection", split = "test" }]
measures = ["ndcg@10"]

[systems.bm25]
retrieve = "bm25"

[systems.reranked]
rerank = "bm25"
model = "reranker"
depth = 2
"""
GLUE = "sentence\tlabel\n" + "a dull film\t0\na fine film\t1\n" * 4
STUDY = """\
output = "study"
seeds = 1
glue = { tasks = ["sst-2"], data = "glue", base = "decoder", epochs = 1 }

[[grid]]
attention = ["bidirectional", "causal"]
"""


def write_collection(folder: Path) -> None:
    """Write the documents, queries and judgements in the layout of BEIR."""
    (folder / "qrels").mkdir(parents=True)
    for file, texts in (("corpus.jsonl", TEXTS), ("queries.jsonl", QUERIES)):
        lines = (json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items())
        (folder / file).write_text("".join(lines))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td3\t2\nq2\td4\t0\n")


@pytest.fixture(scope="session")
def examples_folder(tiny_gemma: Path, tiny_reranker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that each module's Examples run in a copy of."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(tiny_gemma, folder / "decoder")
    shutil.copytree(tiny_reranker, folder / "reranker")
    write_collection(folder / "collection")
    (folder / "qrels.txt").write_text("q1 0 d1 1\nq2 0 d3 2\nq2 0 d4 0\n")
    (folder / "bm25.trec").write_text("q1 Q0 d2 1 2.0 bm25\nq1 Q0 d1 2 1.0 bm25\nq2 Q0 d4 1 3.0 bm25\n")
    (folder / "reranked.trec").write_text("q1 Q0 d1 1 2.0 ours\nq1 Q0 d2 2 1.0 ours\nq2 Q0 d3 1 3.0 ours\n")
    rows = [{"query": QUERIES["q1"], "documents": [TEXTS["d1"], TEXTS["d2"]], "labels": [1, 0]}] * 4
    (folder / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "stage.toml").write_text(STAGE)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    (folder / "glue/SST-2").mkdir(parents=True)
    for name in ("train", "dev", "test"):
        (folder / f"glue/SST-2/{name}.tsv").write_text(GLUE)
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture
def workplace(examples_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder of one module's Examples, with a cache of its own."""
    folder = shutil.copytree(examples_folder, tmp_path / "work")
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_VERBOSITY", "TQDM_LEAVE", "TQDM_DISABLE"):  # a command sets them: remove them afterwards
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # ranx, which only an Example uses here, would compile for a minute
    monkeypatch.chdir(folder)
    yield folder


def public(module: ModuleType) -> list[str]:
    """Return the names of the public functions and classes that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and getattr(value, "__module__", "") == module.__name__
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_an_example(name: str) -> None:
    """In its docstring, as ``>>>`` lines."""
    module = import_module(name)
    without = [own for own in public(module) if ">>>" not in (inspect.getdoc(getattr(module, own)) or "")]
    assert not without, f"{name}: no Example in {', '.join(without)}"


@pytest.mark.parametrize("name", MODULES)
def test_every_example_runs(name: str, workplace: Path) -> None:
    """And prints what it says."""
    module = import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    report: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)
