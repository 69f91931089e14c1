"""The smallest inputs on which a reader failed once, by the name of its target: each is refused or read now."""

from typing import Any

FOUND: dict[str, tuple[Any, ...]] = {
    "qrels file": (b"query-id\tcorpus-id\tscore", b"\xef\xbb\xbfq1 0 d1 1\r\n", b"q1 0 d1 0x1F\n", b"q1 \xff d1 1\n"),
    "run file": (b"q1 \xff d1 1 1 t\n", b"q1 Q0 d1 1 0x1F t\n", b"q1 Q0 d1 1 1_0 t\n", b"\xef\xbb\xbfq1 Q0 d1 1 2 t\n"),
    "training lists": (b'{"query": "\\ud800", "documents": ["a"], "labels": [1]}\n',),
}
