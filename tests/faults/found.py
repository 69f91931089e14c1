"""The smallest inputs on which a reader failed once, by the name of its target: each is refused or read now."""

import json
from typing import Any

import numpy as np

from tests.faults.targets.results_files import RERANKED, RESULTS
from tests.faults.targets.toml_files import EXPERIMENTS, STUDIES

RESULT = RESULTS["collections"][0]
RESULTS_FILES = tuple(
    json.dumps(found).encode()
    for found in (
        RESULTS | {"collections": [RESULT, RESULT]},
        RESULTS | {"collections": [RESULT | {"systems": []}]},
        RESULTS | {"experiment": RESULTS["experiment"] | {"baseline": {"a": 1}}},
        RESULTS | {"experiment": RESULTS["experiment"] | {"measures": [True, 1.5]}},
        RESULTS
        | {"collections": [RESULT | {"systems": [RESULT["systems"][0] | {"name": None}, RESULT["systems"][1]]}]},
        RESULTS | {"experiment": RESULTS["experiment"] | {"correction": "x"}},
        RESULTS | {"experiment": RESULTS["experiment"] | {"seed": -1}},
    )
)
CARDS = tuple(
    json.dumps(found).encode()
    for found in (
        RERANKED | {"experiment": {"systems": {"a": 1.5, "b": {"depth": 1}}}},
        RERANKED | {"collections": [RESULT | {"systems": [RESULT["systems"][0] | {"measures": []}] * 2}]},
    )
)
PAIR = ("what is gold", "Gold is a metal.")
COLUMNS = {"query_ids": ["q1", "q1"], "doc_ids": ["d1", "d2"], "scores": [1.0, 2.0]}
FUSION = {"method": "sum", "normalisation": "z-score", "weights": [0.3, 0.7]}
SUBMISSION = ["20260131-ours", "us", "BM25", "", "", "reranking"]
NESTED: tuple[Any, ...] = (
    {"q1": 1.0},
    {"q1": "x"},
    {"q1": {"d1": [1]}},
    {"q1": {"d1": [[[]]]}},
    {"q1": np.bool_(True)},
)

FOUND: dict[str, tuple[Any, ...]] = {
    "qrels file": (
        b"query-id\tcorpus-id\tscore",
        b"\xef\xbb\xbfq1 0 d1 1\r\n",
        b"q1 0 d1 0x1F\n",
        b"q1 \xff d1 1\n",
        b" \xef\xbb\xbf \xef\xbb\xbf 0",
    ),
    "run file": (
        b"q1 \xff d1 1 1 t\n",
        b"q1 Q0 d1 1 0x1F t\n",
        b"q1 Q0 d1 1 1_0 t\n",
        b"\xef\xbb\xbfq1 Q0 d1 1 2 t\n",
        b" \xef\xbb\xbf Q0 d 1 2 t",
    ),
    "training lists": (b'{"query": "\\ud800", "documents": ["a"], "labels": [1]}\n',),
    "experiment TOML": (b"x = " + b"[" * 2000, b"x = " + b"9" * 5000, EXPERIMENTS[0].replace(b"100", b"9" * 20)),
    "study TOML": (
        STUDIES[0].replace(b"seeds = 2", b"seeds = 9223372036854775807"),
        STUDIES[0].replace(b'data = "glue"', b'data = "' + 300 * b"x" + b'"'),
    ),
    "results.json": RESULTS_FILES,
    "report of results.json": RESULTS_FILES,
    "compare of results.json": RESULTS_FILES,
    "model card's results.json": CARDS,
    "record of lists": (b"", b"\xfe", b'{"collection": {}}', b"[]"),
    "record of checkpoints": (b"", b"\xff", b"[]"),
    "model name": ("x" * 4097, "\0", "m" * 300),
    "run name": ("x" * 5000, "c\n\nx", "\0"),
    "collection name": ("c" * 5000, "\0"),
    "measure name": ("precision@1" + "0" * 400, "ndcg@" + "9" * 5000, "judged@1" + "0" * 30),
    "system name": ("\x1b[2J", "x" * 300),
    "submission": ([[1], *SUBMISSION[1:]], [SUBMISSION[0], "us", None, *SUBMISSION[3:]], [*SUBMISSION[:5], {}]),
    "Run.from_dict": NESTED,
    "Qrels.from_dict": (*NESTED, {"q1": {"d1": 2**63}}),
    "Run.from_columns": (COLUMNS | {"doc_ids": True}, COLUMNS | {"scores": 1.0}, COLUMNS | {"scores": [[[]], 2.0]}),
    "fuse": (
        FUSION | {"weights": 1.0},
        FUSION | {"weights": ["a", 0.7]},
        FUSION | {"method": np.array([1, 2])},
        FUSION | {"normalisation": np.array([1, 2])},
    ),
    "evaluate": (["map", object], 3, [None]),
    "predict": ([PAIR, {"a": 1}], [("what", "\ud800")], [("what", None)]),
    "rank": (
        {"query": "a", "documents": True},
        {"query": "a", "documents": ["b"], "top_k": "x"},
        {"query": "a", "documents": ["b", float("nan")]},
        {"query": "a", "documents": ["b", "c"], "return_documents": np.array(["a", "b"])},
    ),
}
