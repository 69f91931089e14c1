"""trec: the reader of regular files and the line-by-line reader give the same result or the same error."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError

FILES = 100  # of each layout, plain and .gz
IDS = [*(f"d{number}" for number in range(60)), "q1", "0", "é", "日本", "x" * 70, "a\u00a0b", "\ufeffq1", '"q"', "a,b"]
GRADES = ["0", "1", "2", "-1", "+1", "00", "007", "-0", "1.0", "3."]
SCORES = ["0", "-1", "+1", "007", "-0", "1e1", ".5", "5.", "1E-3", "3.4028235e38", "1e-400", "1.25"]
ODD_NUMBERS = ["0x1F", "-0X1", "1_0", "١", "１", "1.5", "1,5", "nan", "inf", "-Infinity", "1e39", "3.4028236e38", "e1"]
ODD_NUMBERS += [".", "+", "--1", "1f", "1d0", "0x1p3", "½", str(2**63 - 1), str(2**63), str(-(2**63)), "9" * 30]
ODD_BYTES = [b"\xff", b"\xc3", b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\x00", b"a\x1cb", b"a\x85b"]


def pick(rng: np.random.Generator, common: list[str], odd: list[str] | list[bytes], share: float) -> bytes:
    """Draw one of the common fields or, rarely, an odd one."""
    chosen = odd if rng.random() < share else common
    field = chosen[rng.integers(len(chosen))]
    return field.encode() if isinstance(field, str) else field


def random_file(rng: np.random.Generator, columns: tuple[str, ...]) -> bytes:
    """Make a file with one kind of separator, with or without a byte order mark, header and odd fields."""
    share = rng.choice([0.0, 0.04])
    separator = b"\t" if rng.random() < 0.3 or len(columns) == 3 else b" "
    kinds = {
        "id": (IDS, ODD_BYTES),
        "any": (["0", "Q0", "é"], ODD_BYTES),
        "grade": (GRADES, ODD_NUMBERS),
        "score": (SCORES, ODD_NUMBERS),
    }
    lines = []
    for _ in range(rng.integers(1, 8)):
        fields = [pick(rng, *kinds[column], share=share) for column in columns]
        lines.append(separator.join(fields[: -1 if rng.random() < 0.01 else None]))
    if len(columns) == 3 and rng.random() < 0.7:
        lines.insert(0, b"query-id\tcorpus-id\tscore")
    return (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + b"\n".join(lines) + b"\n"


def outcome(kind: type[Run] | type[Qrels], path: Path, data: bytes) -> object:
    """Return the table with its name and ranks, or the error."""
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    try:
        table = kind.read(path)
    except InputError as error:
        return str(error)
    ranks = table.ranks if isinstance(table, Run) else None
    return table.to_dict(), getattr(table, "name", None), None if ranks is None else ranks.tolist()


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (Run, ("id", "any", "id", "grade", "score", "any")),
        (Qrels, ("id", "any", "id", "grade")),
        (Qrels, ("id", "id", "grade")),
    ],
)
def test_both_readers_agree(tmp_path: Path, kind: type[Run], columns: tuple[str, ...], name: str) -> None:
    """A blank line at the end is skipped, but only the line-by-line reader accepts it."""
    rng = np.random.default_rng(16)
    outcomes = []
    for _ in range(FILES):
        data = random_file(rng, columns)
        outcomes.append(outcome(kind, tmp_path / name, data))
        assert outcome(kind, tmp_path / name, data + b"\n") == outcomes[-1], data
    accepted = sum(isinstance(found, tuple) for found in outcomes)
    assert 10 < accepted < FILES - 10  # neither result is rare


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("number", ["0x1F", "1_0", "١٢", "１", "0b1", "1e", "²"])
def test_a_number_that_trec_eval_reads_otherwise_is_refused(tmp_path: Path, number: str, end: str) -> None:
    """C reads 0x1F as 0 and 1_0 as 1, and knows no digits but ASCII's."""
    for kind, line in ((Run, f"q1 Q0 d1 1 {number} tag"), (Qrels, f"q1 0 d1 {number}")):
        (tmp_path / "file").write_text(f"{line}\n{end}", encoding="utf-8")
        with pytest.raises(InputError, match=f"file:1: (score|relevance) '{number}'; expected a"):
            kind.read(tmp_path / "file")


@pytest.mark.parametrize("column", ["Q0", "2", "tag"])
def test_invalid_utf8_in_an_ignored_column_is_named(tmp_path: Path, column: str) -> None:
    """Also where the bytes are cut at the end of the file."""
    lines = b"q1 Q0 d1 1 0.5 tag\nq1 Q0 d2 2 0.4 tag\n"
    for odd in (b"\xff", b"\xe6\x97"):
        first, last = lines.split(column.encode())[0], lines.split(column.encode(), 1)[1]
        (tmp_path / "run").write_bytes((first + odd + last).rstrip(b"\n"))
        with pytest.raises(InputError, match=r"run:[12]: byte 0x.. at column \d+ is not UTF-8"):
            Run.read(tmp_path / "run")
    (tmp_path / "run").write_bytes(lines.removesuffix(b"tag\n") + b"\xe6\x97")
    with pytest.raises(InputError, match="run:2: byte 0xe6 at column 16 is not UTF-8"):
        Run.read(tmp_path / "run")


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("text", ["x" * 4097, "é" * 2049, "日" * 40_000])
@pytest.mark.parametrize("column", [0, 2])
def test_an_id_above_4_kb_is_refused_with_its_line(tmp_path: Path, text: str, column: int, name: str) -> None:
    """The limit is in bytes, of query and document ids; the message does not repeat the whole id."""
    for kind, line in ((Run, "q1 Q0 d1 1 2.5 tag"), (Qrels, "q1 0 d1 1")):
        fields = line.split()
        fields[column] = text
        data = f"q2{line[2:]}\n{' '.join(fields)}\n".encode()
        for end in (b"", b"\n"):
            found = outcome(kind, tmp_path / name, data + end)
            seen = f"{tmp_path / name}:2: id '{text[:20]}…' of {len(text.encode()):,} bytes"
            assert found == f"{seen}; expected at most 4,096; correct or remove the line"


def test_an_id_of_4_kb_is_read(tmp_path: Path) -> None:
    """In any script, by both readers."""
    for text in ("x" * 4096, "é" * 2048):
        for end in ("", "\n"):
            (tmp_path / "run").write_text(f"{text} Q0 {text} 1 2.5 tag\n{end}", encoding="utf-8")
            assert Run.read(tmp_path / "run").to_dict() == {text: {text: 2.5}}


def test_a_long_id_in_python_is_refused_with_its_query() -> None:
    """Before anything that takes memory for every row."""
    scores: dict[str, dict[str, float]] = {"q1": {f"d{number}": 1.0 for number in range(3000)}}
    with pytest.raises(InputError, match=r"query 'q2': id 'x{20}…' of 1,000,000 bytes; expected at most 4,096"):
        Run.from_dict(scores | {"q2": {"x" * 1_000_000: 1.0}})
    with pytest.raises(InputError, match=r"query 'é{20}': id 'é{20}…' of 4,098 bytes"):
        Qrels.from_columns(["q1", "é" * 2049], ["d1", "d1"], [1, 1])


def test_a_score_that_rounds_to_the_largest_float_is_read_by_both(tmp_path: Path) -> None:
    """3.4028235e38 is above the largest float32, to which it rounds."""
    for line_end in ("\n", "\r\n"):
        (tmp_path / "run").write_text(f"q1 Q0 d1 1 3.4028235e38 tag{line_end}", newline="")
        assert Run.read(tmp_path / "run").scores.tolist() == [float(np.finfo(np.float32).max)]
