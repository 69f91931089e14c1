"""Run and qrels files: the fast and the careful reader agree, and what was read is written and read again unchanged."""

import gzip
from pathlib import Path

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from tests.faults.fuzzer import Disagreement, Target
from tests.faults.mutation import BOM

RUNS = (
    b"q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.25 bm25\nq2 Q0 d1 1 -3 bm25\n",
    b"q1\tQ0\td1\t1\t9\ttag\nq1\tQ0\td3\t2\t9\ttag\nq2\tQ0\td2\t7\t1e-3\ttag\n",
    "é Q0 日本 1 0.5 x\né Q0 a,b 2 0.5 x\né Q0 #c 3 -0 x\n".encode(),
    BOM + b"q1 Q0 d1 1 2.5 bm25\r\nq1  Q0 d2 x 1.25 bm25\r\n\r\n",
    b"1 Q0 10 1 3.4028235e38 t\n1 Q0 9 2 .5 t\n1 Q0 08 3 5. t",
)
QRELS = (
    b"q1 0 d1 1\nq1 0 d2 0\nq2 0 d3 2\n",
    b"q1\t0\td1\t1\nq2\t0\td1\t3\n",
    b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t0\n",
    b"q1\td1\t1\nq1\td1\t1\nq2\td2\t2.0\n",
    BOM + b"q1 0 d1 1\r\nq1 0 d2 -1\r\n",
    "é 0 日本 +1\né 0 a,b 007\n".encode(),
)


def read_both_ways(kind: type[Run] | type[Qrels], path: Path, data: bytes) -> Run | Qrels:
    """Read a file, and the same file with a blank line at the end, which only the careful reader accepts."""
    found = [_outcome(kind, path, data), _outcome(kind, path, data + (b"\n" if data.endswith(b"\n") else b"\n\n"))]
    if isinstance(found[0], Exception) or isinstance(found[1], Exception):
        if str(found[0]) != str(found[1]):
            raise Disagreement
        raise found[0]  # type: ignore[misc]
    if found[0] != found[1] or _ranks(found[0]) != _ranks(found[1]):
        raise Disagreement
    return found[0]


def _outcome(kind: type[Run] | type[Qrels], path: Path, data: bytes) -> Run | Qrels | InputError:
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    try:
        return kind.read(path)
    except InputError as error:
        return error


def _ranks(table: object) -> list[int] | None:
    ranks = getattr(table, "ranks", None)
    return None if ranks is None else ranks.tolist()


def _read(kind: type[Run] | type[Qrels], path: Path, data: bytes) -> None:
    table = read_both_ways(kind, path, data)
    table.write(path)
    if kind.read(path) != table:
        raise Disagreement


def _read_gz(folder: Path, data: bytes) -> None:
    (folder / "run.trec.gz").write_bytes(data)
    Run.read(folder / "run.trec.gz").by_rank()


TARGETS = (
    Target("run file", RUNS, lambda folder, data: _read(Run, folder / "run.trec", data), share=4),
    Target("qrels file", QRELS, lambda folder, data: _read(Qrels, folder / "qrels.txt", data), share=4),
    Target("run file, gzipped", tuple(gzip.compress(run, 1, mtime=0) for run in RUNS), _read_gz, share=1),
)
