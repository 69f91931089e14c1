"""TOML files of experiments, leaderboards, training stages and studies."""

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import tomli_w

from gemma_st.study.config import read_study
from gemma_st.training.arguments import training_arguments
from gemma_st.training.config import read_config
from gemma_st.training.losses import loss_class
from ir_eval.experiment import read_experiment
from ir_eval.leaderboard import read_leaderboard
from tests.faults.fuzzer import Disagreement, Target
from tests.faults.mutation import VALUES, mutate, mutate_tree
from tests.faults.targets.collections import write
from tests.faults.targets.glue_files import FILES

EXPERIMENTS = (
    b"""\
collections = ["one", { name = "two", split = "dev", measures = ["map"] }]
measures = ["ndcg@10", "mrr@10-l2"]
baseline = "bm25"
correction = "holm"
seed = 1

[systems.bm25]
retrieve = "bm25"
k1 = 0.9
hits = 100

[systems.given]
run = "{collection}.trec"

[systems.fused]
fuse = ["bm25", "given"]
method = "sum"
normalisation = "min-max"
weights = [0.3, 0.7]

[systems.ours]
rerank = "fused"
model = "."
depth = 20
""",
    b"""\
collections = ["c"]
[systems.d]
retrieve = "dense"
model = "."
[systems.b]
retrieve = "bm25"
rm3 = true
[systems.f]
fuse = ["d", "b"]
method = "sum"
tune_on = { name = "dev" }
""",
)
LEADERBOARDS = (
    b"""\
title = "T"
first_stage = "BM25"
source = "https://example.org"
[downloads]
"c" = 73.9
[systems.a]
collection = "c"
published = { "ndcg@10" = 0.5947, "map" = 0.30 }
retrieve = "bm25"
minutes = 1
[systems.b]
collection = "{data}/c"
published = { "mrr@10" = 0.750 }
tolerance = 0.001
rerank = "a"
model = "m"
""",
)
STAGES = (
    b"""\
output = "trained"
lists = ["lists.jsonl"]
model = { base = ".", pooler = "mean" }
loss = { name = "softmax" }
dropout = { head = 0.1 }
documents = 3
storage = "float32"
exact = ["2."]
relative_rates = true
[trainer]
use_cpu = true
max_steps = 1
learning_rate = 1e-3
per_device_train_batch_size = 2
""",
    b"""\
output = "trained"
lists = ["a.jsonl", "b.jsonl"]
teacher = "all-minilm-l6-v2"
lora = { rank = 4, alpha = 8 }
[model]
base = "."
head = "linear"
[loss]
name = "distillation"
[trainer]
use_cpu = true
num_train_epochs = 2
[evaluation]
steps = 2
collection = "c"
run = "r.trec"
measures = ["mrr@10"]
""",
)
STUDIES = (
    b"""\
output = "study"
seeds = 2
[glue]
tasks = ["sst-2", "cb"]
data = "glue"
base = "decoder"
epochs = 1
pooler = "mean"
dropout = 0.1
freeze = ["embed"]
[glue.cb]
epochs = 2
[[grid]]
attention = ["bidirectional", "causal"]
dropout = [0.0, 0.1]
[[grid]]
tasks = ["cb"]
pooler = ["first", { name = "first", k = 4 }]
head = ["linear"]
padding_side = ["left"]
""",
)
FILLED = tuple(value for value in VALUES if not {"None", "\\ud800"} & set(re.findall(r"None|\\ud800", repr(value))))


def mutate_toml(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a TOML text as a tree, or as a text one time in two."""
    if random.random() < 0.5:
        return mutate(random, seeds)
    table = mutate_tree(random, tomllib.loads(random.choice(seeds).decode()), FILLED)
    return tomli_w.dumps(table if isinstance(table, dict) else {"x": table}).encode()


def _experiment(folder: Path, data: bytes) -> None:
    path = folder / "file.toml"
    path.write_bytes(data)
    experiment = read_experiment(path, data="data")
    for system in experiment.systems.values():
        system.check()
    path.write_text(experiment.to_toml(), encoding="utf-8")
    if read_experiment(path, data="data").to_toml() != experiment.to_toml():
        raise Disagreement


def _leaderboard(folder: Path, data: bytes) -> None:
    (folder / "file.toml").write_bytes(data)
    for row in read_leaderboard(folder / "file.toml", data="data").rows:
        _ = row.plan, row.missing, row.name


def _stage(folder: Path, data: bytes) -> None:
    (folder / "file.toml").write_bytes(data)
    loss_class(read_config(folder / "file.toml", data="data"))


def _arguments(folder: Path, data: bytes) -> None:
    (folder / "file.toml").write_bytes(data)
    training_arguments(read_config(folder / "file.toml", data="data"), None)


def _study(folder: Path, data: bytes) -> None:
    (folder / "file.toml").write_bytes(data)
    read_study(folder / "file.toml", data="data")


def _study_files(folder: Path) -> None:
    """Write the examples and a base into the current folder, where the relative paths of the file lead."""
    write(FILES, Path("glue"))
    write({"config.json": b"{}", "model.safetensors": b"weights"}, Path("decoder"))


def _target(name: str, seeds: Sequence[bytes], read: Callable[[Path, bytes], object], share: float) -> Target:
    prepare = _study_files if read is _study else lambda folder: None
    return Target(name, seeds, read, mutation=mutate_toml, prepare=prepare, share=share)


TARGETS = (
    _target("experiment TOML", EXPERIMENTS, _experiment, 2),
    _target("leaderboard TOML", LEADERBOARDS, _leaderboard, 1),
    _target("training TOML", STAGES, _stage, 2),
    _target("training arguments", STAGES, _arguments, 0.1),
    _target("study TOML", STUDIES, _study, 0.3),
)
