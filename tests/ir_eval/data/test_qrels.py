"""Qrels: TREC and BEIR files, negative judgements, errors."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError

TREC = "q2 0 d1 0\nq1 0 d1 2\nq1 0 d2 -1\n"
BEIR = "query-id\tcorpus-id\tscore\nq2\td1\t0\nq1\td1\t2\nq1\td2\t-1\n"
JUDGED = {"q1": {"d1": 2, "d2": -1}, "q2": {"d1": 0}}


@pytest.mark.parametrize(
    "text",
    [TREC, TREC.replace(" ", "\t"), TREC.replace(" ", "  "), TREC.replace("\n", " \r\n"), BEIR]
    + [BEIR.replace("\n", "\r\n"), BEIR.replace("\n", "\n\n"), "\n" + BEIR],
)
@pytest.mark.parametrize("packed", [False, True])
def test_reads_trec_and_beir(tmp_path: Path, text: str, packed: bool) -> None:
    """Columns may be separated by any whitespace; a BEIR file is recognised by its header."""
    path = tmp_path / ("qrels.gz" if packed else "qrels")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert Qrels.read(path) == Qrels.from_dict(JUDGED)


@pytest.mark.parametrize("text", [TREC, TREC.replace(" ", "\t"), TREC.replace(" ", "  "), BEIR, "\n" + TREC])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, text: str, line_end: str, packed: bool) -> None:
    """Windows editors write one; both readers skip it."""
    path = tmp_path / ("qrels.gz" if packed else "qrels")
    data = b"\xef\xbb\xbf" + text.replace("\n", line_end).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert Qrels.read(path) == Qrels.from_dict(JUDGED)


def test_a_byte_order_mark_is_no_query_id(tmp_path: Path) -> None:
    """A line without a query id is refused although its separator follows the mark."""
    path = tmp_path / "qrels"
    path.write_bytes(b"\xef\xbb\xbf 0 d1 2\n")
    assert Qrels.read(path).to_dict() == {"0": {"d1": 2}}  # BEIR's layout, as without the mark
    path.write_bytes(b"\xef\xbb\xbf d1 2\nq1 0 d2 1\n")
    with pytest.raises(InputError, match="qrels:1: 2 columns; expected 4"):
        Qrels.read(path)


def test_contents() -> None:
    """Qrels return the given judgements, most relevant first."""
    qrels = Qrels.from_dict({"q1": {"a": 0, "b": 3, "c": 3}, "q0": {"a": 1}, "none": {}})
    assert (len(qrels), list(qrels)) == (2, ["q0", "q1"])
    assert list(qrels["q1"].items()) == [("c", 3), ("b", 3), ("a", 0)]
    assert Qrels.from_dict(qrels.to_dict()) == qrels
    assert qrels != Qrels.from_dict({"q1": {"a": 0, "b": 3, "c": 2}, "q0": {"a": 1}})
    assert qrels.values.dtype == np.int64
    with pytest.raises(KeyError, match="q9"):
        qrels["q9"]
    with pytest.raises(ValueError, match="read-only"):
        qrels.values[0] = 1


@pytest.mark.parametrize("end", ["", "\n"])  # a blank line makes the line-by-line reader read the file
@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize(
    "header",
    [
        "",
        "query-id corpus-id score\n",
        "query_id corpus_id score\n",
        "query_id doc_id relevance\n",
        "Qid Docid Label\n",
    ],
)
def test_beirs_header_may_be_missing_or_another(tmp_path: Path, header: str, separator: str, end: str) -> None:
    """Three columns are BEIR's, whatever separates them."""
    text = BEIR.split("\n", 1)[1].replace("\t", " ")
    (tmp_path / "test.tsv").write_text((header + text + end).replace(" ", separator))
    assert Qrels.read(tmp_path / "test.tsv") == Qrels.from_dict(JUDGED)


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("text", [TREC, BEIR])
def test_whole_numbers_may_be_written_as_floats(tmp_path: Path, text: str, end: str) -> None:
    """Pandas writes 1.0 if a column once had a missing value."""
    for line_end in (".0\n", ".\n", ".000\n"):
        (tmp_path / "qrels").write_text(text.replace("\n", line_end).replace("score" + line_end, "score\n") + end)
        assert Qrels.read(tmp_path / "qrels") == Qrels.from_dict(JUDGED)
    largest = Qrels.from_dict({"q": {"a": 2**63 - 1, "b": -(2**63)}})
    largest.write(tmp_path / "qrels")
    assert Qrels.read(tmp_path / "qrels") == largest


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("text", [TREC, BEIR])
def test_a_judgement_may_be_repeated(tmp_path: Path, text: str, end: str) -> None:
    """The same grade again, on the next line or later, says nothing new."""
    lines = text.splitlines(keepends=True)
    (tmp_path / "qrels").write_text(text + lines[-1] + lines[-3] + lines[-1] + end)
    assert Qrels.read(tmp_path / "qrels") == Qrels.from_dict(JUDGED)
    again = Qrels.from_columns(["q1", "q1", "q2", "q1"], ["d1", "d2", "d1", "d1"], [2, -1, 0, 2])
    assert again == Qrels.from_dict(JUDGED)
    with pytest.raises(InputError, match="document 'd1' twice for query 'q1'; expected once"):
        Qrels.from_columns(["q1", "q1", "q1"], ["d1", "d1", "d1"], [2, 2, 1])


@pytest.mark.parametrize(
    "grades", [[1.5], [float("nan")], [2**63], [2.0**63], [2**70], [-(2.0**64)], [1, 2**63], ["1"], [True]]
)
def test_a_grade_that_is_no_64_bit_integer_is_refused(grades: list[float]) -> None:
    """The first such grade is in the message."""
    with pytest.raises(InputError, match="relevance of type .*; expected integers of at most 64 bits, not "):
        Qrels.from_columns(["q"] * len(grades), ["a", "b"][: len(grades)], grades)


@pytest.mark.parametrize("name", ["qrels.txt", "qrels.txt.gz"])
def test_written_qrels_read_back_equal(tmp_path: Path, name: str) -> None:
    """Negative judgements and unusual ids are kept."""
    qrels = Qrels.from_dict({**JUDGED, "日本": {"é": 1, "a\u00a0b": -2}})
    qrels.write(tmp_path / name)
    assert Qrels.read(tmp_path / name) == qrels
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_real_judgements(data: Path) -> None:
    """The numbers of queries and judgements are those of the published files."""
    msmarco = data / "msmarco"
    for name, queries, rows in (("trec-dl19", 43, 9260), ("trec-dl21", 53, 10828), ("dev-small", 6980, 7437)):
        qrels = Qrels.read(msmarco / name / "qrels.txt")
        assert (len(qrels), len(qrels.doc_ids)) == (queries, rows)
    assert np.bincount(Qrels.read(msmarco / "trec-dl19/qrels.txt").values).tolist() == [5158, 1601, 1804, 697]
    cranfield = Qrels.read(data / "beir/cranfield/qrels/test.tsv")
    assert (len(cranfield), len(cranfield.doc_ids), cranfield["1"]["184"]) == (225, 1837, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TREC + "q1 0 d3\n", ":4: 3 columns; expected 4 (qid 0 docid relevance)"),
        (TREC + "q1 0 d3 1 1\n", ":4: 5 columns; expected 4"),
        (TREC + "q1 0 d3 1.5\n", ":4: relevance '1.5'; expected an integer"),
        (TREC + "q1 0 d3 1.0e0\n", ":4: relevance '1.0e0'; expected an integer"),
        (TREC + f"q1 0 d3 {2**63}\n", f":4: relevance '{2**63}'; expected an integer"),
        (TREC + f"q1 0 d3 -{2**63 + 1}.0\n", f":4: relevance '-{2**63 + 1}.0'; expected an integer"),
        (
            TREC + "q2 0 d1 0\nq2 0 d1 1.0\n",
            ":5: document 'd1' again for query 'q2'; expected once; remove this line or",
        ),
        ("q1 0 3\nq1 0 4\n", ":1: 3 columns; expected 4 (qid 0 docid relevance), or BEIR's 3 below a line query-id"),
        ("q1\td1\t1\nq1 0 d2 1\n", ":2: 4 columns; expected 3 (qid docid relevance), as in the first line"),
        (TREC + "q1 0 d3 yes\n", ":4: relevance 'yes'; expected an integer"),
        (TREC + "q1 0 d3 NA\n", ":4: relevance 'NA'; expected an integer"),
        (TREC + f"q1 0 d3 {10**30}\n", f":4: relevance '{10**30}'; expected an integer"),
        (TREC + "q2 0 d1 1\n", ":4: document 'd1' again for query 'q2'; expected once; remove this line or line 1"),
        (BEIR + "q1\td3\n", ":5: 2 columns; expected 3 (qid docid relevance)"),
        (BEIR + "q1\td 3\t1\n", ":5: 4 columns; expected 3"),
        (BEIR + "q1\td3\tx\n", ":5: relevance 'x'; expected an integer"),
        (BEIR + "q1\td1\t1\n", ":5: document 'd1' again for query 'q1'; expected once; remove this line or line 3"),
        ("", ": empty judgements; expected lines of qid 0 docid relevance"),
        (BEIR.split("\n", 1)[0], ": empty judgements; expected lines of qid docid relevance"),
        (BEIR.split("\n", 1)[0] + "\n", ": empty judgements; expected lines of qid docid relevance"),
        ("query_id corpus_id score\n\n", ": empty judgements; expected lines of qid docid relevance"),
        ("\ufeff", ": empty judgements; expected lines of qid 0 docid relevance"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The message is one line with the file, the line number, what was seen and what was expected."""
    path = tmp_path / "qrels.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Qrels.read(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_bad_columns_are_named() -> None:
    """A float is not silently truncated to an integer."""
    with pytest.raises(InputError, match="relevance of type float64; expected integers"):
        Qrels.from_columns(["q"], ["d"], [0.5])
    with pytest.raises(InputError, match="no rows; expected at least one"):
        Qrels.from_dict({})
    with pytest.raises(InputError, match="document 'd' twice for query 'q'"):
        Qrels.from_columns(["q", "q"], ["d", "d"], [1, 0])


@pytest.mark.parametrize("text", ["q1 d1\nq2 d3\n", "q1\td1\nq2\td3\nq1\td1\n", "q1  d1\n\nq2 d3"])
def test_msmarcos_references_have_two_columns(tmp_path: Path, text: str) -> None:
    """Every document has relevance 1, whichever reader reads the file."""
    (tmp_path / "qrels.tsv").write_text(text)
    assert Qrels.read(tmp_path / "qrels.tsv").to_dict() == {"q1": {"d1": 1}, "q2": {"d3": 1}}


@pytest.mark.parametrize("grade", [2**63, -(2**63) - 1, 2**64, 2**200, 1e300, 1.5, True, None, "1", np.uint64(2**63)])
@pytest.mark.parametrize("beside", [None, 1, -1])
def test_a_grade_beyond_64_bits_is_an_error(tmp_path: Path, grade: int, beside: int | None) -> None:
    """Alone, or beside a grade that changes the type of the column; and so it is in a file."""
    documents = {"d": grade} if beside is None else {"d": grade, "e": beside}
    with pytest.raises(InputError, match="expected integers of at most 64 bits"):
        Qrels.from_dict({"q": documents})
    (tmp_path / "qrels").write_text(f"q 0 d {grade!r}\n")
    with pytest.raises(InputError, match=":1: relevance .*; expected an integer|:1: 5 columns"):
        Qrels.read(tmp_path / "qrels")


def test_the_largest_grades_stay_as_they_are() -> None:
    """The limits of 64 bits are grades."""
    grades = {"d": 2**63 - 1, "e": -(2**63)}
    assert Qrels.from_dict({"q": grades}).to_dict() == {"q": grades}
