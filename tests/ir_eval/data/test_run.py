"""Run: canonical order, immutability, reading and writing TREC files."""

import dataclasses
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from ir_eval.data.run import Run
from ir_eval.errors import InputError

GOOD = "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 1.5 tag\n"
ODD_IDS = ["z", "Z", "é", "日本", "\U0001f600", "\uffff", "a\u00a0b", 'quo"te', '"quoted"', "1,2", "-", "0" * 90]


def rows(rng: np.random.Generator, count: int) -> list[tuple[str, str, float]]:
    """Make unique (query, document, score) rows with many ties, some visible only as float32."""
    docs = [ODD_IDS[rng.integers(len(ODD_IDS))] + str(rng.integers(40)) for _ in range(count)]
    pairs = {(f"q{rng.integers(30)}", doc) for doc in docs}
    return [(query, doc, float(rng.integers(-3, 4)) + 1e-9 * float(rng.integers(3))) for query, doc in sorted(pairs)]


def test_canonical_order_is_trec_evals_whatever_the_input_order() -> None:
    """The order is trec_eval's: float32 score, then document id by bytes, both descending."""
    rng = np.random.default_rng(7)
    table = rows(rng, 3000)
    expected = sorted(table, key=lambda row: row[1].encode(), reverse=True)
    expected.sort(key=lambda row: (row[0].encode(), -float(np.float32(row[2]))))
    for _ in range(3):
        queries, docs, scores = zip(*[table[i] for i in rng.permutation(len(table))], strict=True)
        run = Run.from_columns(queries, docs, scores)
        assert run.doc_ids.tolist() == [doc for _, doc, _ in expected]
        assert run.scores.tolist() == [np.float32(score) for _, _, score in expected]
        assert np.repeat(run.query_ids, np.diff(run.offsets)).tolist() == [query for query, _, _ in expected]


def test_contents() -> None:
    """A run returns the given scores by query; a query without documents is left out."""
    run = Run.from_dict({"q2": {"a": 1.0}, "q1": {"b": 0.5, "a": 0.5, "c": 2}, "none": {}}, name="bm25")
    assert (len(run), list(run), run.name) == (2, ["q1", "q2"], "bm25")
    assert "q1" in run and "none" not in run
    docs, scores = run["q1"]
    assert (docs.tolist(), scores.tolist()) == (["c", "b", "a"], [2.0, 0.5, 0.5])
    assert run.doc_ids.dtype == run.query_ids.dtype == np.dtypes.StringDType()
    assert run.scores.dtype == np.float32
    assert run.offsets.dtype == np.int64
    assert Run.from_dict(run.to_dict()) == run
    with pytest.raises(KeyError, match="q9"):
        run["q9"]


@pytest.mark.parametrize("scores", ["[1.0] * 2000", "range(2000)"])
def test_no_order_of_ids_ends_the_process(scores: str) -> None:
    """Numpy's unstable argsort of strings crashes on two sorted halves, of query ids or of tied documents."""
    code = f"""
from ir_eval.data.run import Run
ids = [str(number) for number in range(1000)]
assert len(Run.from_columns(ids + ids, ["a"] * 1000 + ["b"] * 1000, {scores})) == 1000
assert len(Run.from_columns(["a"] * 1000 + ["b"] * 1000, ids + ids, {scores})) == 2
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_equality_is_by_contents_without_the_name() -> None:
    """Equal ids and scores make equal runs; the name is ignored."""
    run = Run.from_dict({"q": {"a": 1.0, "b": 2.0}}, name="one")
    assert run == Run.from_dict({"q": {"b": 2.0, "a": 1.0}}, name="two")
    assert run != Run.from_dict({"q": {"a": 1.0, "b": 2.5}})
    assert run != Run.from_dict({"q": {"a": 1.0, "c": 2.0}})
    assert run != Run.from_dict({"p": {"a": 1.0, "b": 2.0}})
    assert run != run.to_dict()


def test_immutable_and_independent_of_the_arrays_given() -> None:
    """The run's arrays are read-only, and changing the caller's arrays does not change the run."""
    scores = np.array([2.0, 1.0], dtype=np.float32)
    docs = np.array(["a", "b"], dtype=np.dtypes.StringDType())
    run = Run.from_columns(np.array(["q", "q"]), docs, scores)
    scores[0], docs[0] = 9.0, "changed"
    assert run.to_dict() == {"q": {"a": 2.0, "b": 1.0}}
    for array in (run.query_ids, run.offsets, run.doc_ids, run.scores, run["q"][0], run["q"][1]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[-1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.name = "other"  # type: ignore[misc]


def test_top_keeps_the_best_of_each_query() -> None:
    """Rankings of at most k documents are kept whole."""
    run = Run.from_dict({"q1": {"a": 1.0, "b": 3.0, "c": 2.0}, "q2": {"a": 1.0}}, name="bm25")
    assert run.top(2).to_dict() == {"q1": {"b": 3.0, "c": 2.0}, "q2": {"a": 1.0}}
    assert run.top(2).name == "bm25"
    assert run.top(3) == run
    with pytest.raises(InputError, match="top 0 documents; expected at least 1"):
        run.top(0)


@pytest.mark.parametrize("suffix", [".trec", ".trec.gz"])
def test_written_run_reads_back_equal(tmp_path: Path, suffix: str) -> None:
    """Scores are equal to the bit, from the smallest to the largest float32, and unusual ids are kept."""
    rng = np.random.default_rng(3)
    queries, docs, _ = zip(*rows(rng, 2000), strict=True)
    scores = rng.standard_normal(len(docs)) * 10.0 ** rng.integers(-44, 38, len(docs))
    scores[:6] = [0.0, -0.0, 1e-45, -3.4028235e38, 1e16, 123456792]
    run = Run.from_columns(queries, docs, scores, name=" my run\t1 ")
    path = tmp_path / f"folder/run{suffix}"
    run.write(path)
    again = Run.read(path)
    assert again == run
    assert again.scores.tobytes() == run.scores.tobytes()
    assert again.name == "my_run_1"
    assert Run.read(path, name="other").name == "other"
    data = path.read_bytes()
    first = (gzip.decompress(data) if suffix.endswith("gz") else data).decode().split("\n", 1)[0].split(" ")
    assert first == [list(run)[0], "Q0", run.doc_ids[0], "1", first[4], "my_run_1"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_real_run_reads_the_same_by_both_routes(data: Path, tmp_path: Path) -> None:
    """Arrow and the line scan read the same from 43,000 real lines, and from shuffled ones."""
    path = data / "msmarco/trec-dl19/runs/bm25.top1000.trec"
    run = Run.read(path)
    assert (len(run), len(run.doc_ids), run.name) == (43, 43_000, "Anserini")
    (tmp_path / "mixed.trec").write_text("\n" + path.read_text().replace(" ", " \t", 3))
    assert Run.read(tmp_path / "mixed.trec") == run
    shuffled = np.random.default_rng(0).permutation(path.read_text().splitlines()).tolist()
    (tmp_path / "shuffled.trec").write_text("\n".join(shuffled))
    assert Run.read(tmp_path / "shuffled.trec") == run


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace(" ", "\t"),
        GOOD.replace(" ", "  "),
        GOOD.replace(" ", " \t "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", " \n"),
        "\n \n" + GOOD.rstrip("\n"),
        "  " + GOOD,
        GOOD.replace("1.5", "+1.5"),
        "\ufeff" + GOOD,
        "\ufeff" + GOOD.replace("\n", "\r\n"),
        "\ufeff\n" + GOOD,
        GOOD.replace(" 1 ", " x ").replace(" 2 ", " y "),
    ],
)
def test_any_whitespace_separates_and_the_rank_is_ignored(tmp_path: Path, text: str) -> None:
    """trec_eval reads these files in the same way."""
    path = tmp_path / "run.trec"
    path.write_bytes(text.encode())
    run = Run.read(path)
    assert run.to_dict() == {"q1": {"d1": 2.5, "d2": 1.5}}
    assert run.name == "tag"


@pytest.mark.parametrize("separator", [" ", " \t "])
def test_the_order_of_the_rank_column(tmp_path: Path, separator: str) -> None:
    """Within each query the rank column orders; equal ranks are ordered by score. Both readers agree."""
    path = tmp_path / "run.trec"
    rng = np.random.default_rng(5)
    table = [(f"q{rng.integers(9)}", f"d{number}", int(rng.integers(-5, 20)), number % 7) for number in range(300)]
    lines = (separator.join((query, "Q0", doc, str(rank), str(score), "tag")) for query, doc, rank, score in table)
    path.write_text("\n".join(lines))
    run = Run.read(path)
    ranked = run.by_rank()
    assert ranked is not None
    ranks = {(query, doc): rank for query, doc, rank, _ in table}
    for query in run:
        docs = run[query][0].tolist()
        assert ranked[query][0].tolist() == sorted(docs, key=lambda doc: ranks[query, doc])
        assert np.all(np.diff(ranked[query][1]) < 0)
    assert ranked.by_rank() is None
    assert run == Run.read(path) == Run.from_columns(*zip(*((q, d, s) for q, d, _, s in table), strict=True))
    with pytest.raises(ValueError, match="read-only"):
        run.ranks[0] = 1  # type: ignore[index]


@pytest.mark.parametrize("ranks", ["1 2 1", "0 0 0", "7 7 1", "2 1.5 1", "2 - 1", f"2 1 {10**30}"])
def test_ranks_that_order_nothing_otherwise(tmp_path: Path, ranks: str) -> None:
    """`by_rank` returns None if the ranks give the same order, are all equal, or are not all integers."""
    first, second, third = ranks.split()
    path = tmp_path / "run.trec"
    path.write_text(f"q1 Q0 d1 {first} 2.5 tag\nq1 Q0 d2 {second} 1.5 tag\nq2 Q0 d1 {third} 9.5 tag\n")
    assert Run.read(path).by_rank() is None
    assert Run.from_dict(Run.read(path).to_dict()).by_rank() is None


def test_score_is_parsed_as_a_double_then_rounded(tmp_path: Path) -> None:
    """trec_eval uses atof and then float; parsed directly to 32 bits, this decimal would round up."""
    (tmp_path / "run.trec").write_text("q Q0 d 1 1.00000005960464477539062501 tag\n")
    assert Run.read(tmp_path / "run.trec").scores[0] == 1.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1 Q0 d3 3 1.0", "run.trec:3: 5 columns; expected 6 (qid Q0 docid rank score tag)"),
        ("q1  d3 3 1.0 tag", "run.trec:3: 5 columns; expected 6"),
        ("q1 Q0 d3 3 1.0 my tag", "run.trec:3: 7 columns; expected 6"),
        ("q1\tQ0\td3 3\t3\t1.0\ttag", "run.trec:3: 7 columns; expected 6"),
        ("q1 Q0 d3 3 high tag", "run.trec:3: score 'high'; expected a finite 32-bit number"),
        ("q1 Q0 d3 3 nan tag", "run.trec:3: score 'nan'; expected a finite"),
        ("q1 Q0 d3 3 -inf tag", "run.trec:3: score '-inf'; expected a finite"),
        ("q1 Q0 d3 3 1e39 tag", "run.trec:3: score '1e39'; expected a finite"),
        ("q1 Q0 d1 3 0.5 tag", "run.trec:3: document 'd1' again for query 'q1'; expected once; remove this line or"),
        ("q1 Q0 d\udcff 3 0.5 tag", "run.trec:3: byte 0xff at column 8 is not UTF-8"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """The message is one line with the file, the line number, what was seen and what was expected."""
    path = tmp_path / "run.trec"
    path.write_bytes((GOOD + line + "\nq1 Q0 d9 9 0.1 tag\n").encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        Run.read(path)
    assert str(caught.value).startswith(f"{path.parent}/{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("doc", ["d", "d2345678", "d23456789", "d" * 100, "日本"])
def test_duplicates_are_found_among_many(tmp_path: Path, doc: str) -> None:
    """A duplicate is found whatever its length and distance; the same document of another query is not one."""
    lines = [f"q{n % 2} Q0 {doc}{n // 2} 1 {n}.0 tag\n" for n in range(70_000)]
    (tmp_path / "run.trec").write_text("".join(lines))
    assert len(Run.read(tmp_path / "run.trec").docs) == 70_000
    (tmp_path / "run.trec").write_text("".join([*lines, f"q1 Q0 {doc}0 1 -1.0 tag\n"]))
    with pytest.raises(InputError, match=r"run\.trec:70001: document '.*' again for query 'q1'.* or line 2$"):
        Run.read(tmp_path / "run.trec")


def test_missing_last_column_at_the_end_of_the_file(tmp_path: Path) -> None:
    """A separator at the end of the file does not count as a column."""
    (tmp_path / "run.trec").write_text(GOOD + "q1 Q0 d3 3 1.0 ")
    with pytest.raises(InputError, match=r"run\.trec:3: 5 columns; expected 6"):
        Run.read(tmp_path / "run.trec")


def test_missing_column_where_two_blocks_of_bytes_meet(tmp_path: Path) -> None:
    """The file is scanned in blocks of 1 MiB; here a block ends between the two spaces."""
    lines = "".join(f"q0 Q0 d{number:0500d} 1 2.0 tag\n" for number in range(2000))
    lines += f"q0 Q0 d 1 2.0 {'t' * (2**20 - len(lines) - 18)}\n"
    (tmp_path / "run.trec").write_text(lines + "q1  d3 3 1.0 tag\n")
    with pytest.raises(InputError, match=r"run\.trec:2002: 5 columns; expected 6"):
        Run.read(tmp_path / "run.trec")


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_empty_run_is_an_error(tmp_path: Path, text: str) -> None:
    """A file without rows is refused."""
    path = tmp_path / "run.trec"
    path.write_text(text)
    with pytest.raises(InputError, match=r"run\.trec: empty run; expected lines of qid Q0 docid rank score tag"):
        Run.read(path)


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    """The file is missing, a folder, not gzip, or truncated."""
    (tmp_path / "plain.gz").write_text(GOOD)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(GOOD.encode())[:-9])
    for name in ("absent.trec", ".", "plain.gz", "cut.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            Run.read(tmp_path / name)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], []), "no rows; expected at least one"),
        ((["q"], ["a", "b"], [1.0, 2.0]), "1 query ids, 2 document ids, 2 numbers"),
        ((["q"], ["a b"], [1.0]), "id 'a b'; expected text without whitespace"),
        ((["q"], ["a\u2028b", "c\n"], [1.0, 2.0]), "1 query ids, 2 document ids"),
        ((["q", "q"], ["a\u2028b", "c\n"], [1.0, 2.0]), "id 'c\\n'; expected text without"),
        ((["q\t"], ["a"], [1.0]), "id 'q\\t'; expected text without"),
        (([""], ["a"], [1.0]), "id ''; expected text"),
        ((["q"], [7.0], [1.0]), "an id is not a string"),
        ((["q"], np.array([7.0]), [1.0]), "an id is not a string"),
        ((["q"], [True], [1.0]), "an id is not a string"),
        ((["q"], [b"a"], [1.0]), "an id is not a string"),
        (([None], ["a"], [1.0]), "an id is not a string"),
        ((["q", "q"], ["a", "b"], [1.0, float("nan")]), "query 'q', document 'b': nan; expected a finite number"),
        ((["q"], ["a"], [1e39]), "query 'q', document 'a': inf; expected a finite number"),
        ((["q", "p", "q"], ["a", "a", "a"], [1.0, 2.0, 3.0]), "document 'a' twice for query 'q'; expected once"),
    ],
)
def test_bad_columns_are_named(columns: tuple[list[str], list[str], list[float]], message: str) -> None:
    """Ids and scores that a TREC file cannot hold are refused."""
    with pytest.raises(InputError) as caught:
        Run.from_columns(*columns)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_integer_ids_are_decimal_strings() -> None:
    """In a dict, a list with strings, and arrays of any integer type."""
    expected = Run.from_dict({"1": {"-2": 1.0, "30": 0.5}})
    assert Run.from_dict({1: {-2: 1.0, 30: 0.5}}) == expected  # type: ignore[dict-item]
    assert Run.from_columns(["1", 1], ["-2", 30], [1.0, 0.5]) == expected
    for dtype in (np.int8, np.int64, object):
        assert Run.from_columns(np.array([1, 1], dtype), np.array([-2, 30], dtype), [1.0, 0.5]) == expected


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A lone surrogate cannot be encoded as UTF-8, so that writing fails."""
    path = tmp_path / "run.trec"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        Run.from_dict({"q": {"a": 1.0}}, name="\ud800").write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


MSMARCO = "q1 d1 1\nq1 d2 2\nq2 d3 1\n"


@pytest.mark.parametrize(
    "text", [MSMARCO, MSMARCO.replace(" ", "\t"), MSMARCO.replace(" ", " \t "), "\ufeff" + MSMARCO]
)
@pytest.mark.parametrize("name", ["run.tsv", "run.gz"])
def test_msmarcos_runs_have_three_columns(tmp_path: Path, text: str, name: str) -> None:
    """The scores are the negative ranks, whichever of the two readers reads the file."""
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    run = Run.read(tmp_path / name)
    assert run.to_dict() == {"q1": {"d1": -1.0, "d2": -2.0}, "q2": {"d3": -1.0}}
    assert (run.name, run.by_rank()) == ("run", None)
    run.write(tmp_path / "six.trec")
    assert Run.read(tmp_path / "six.trec") == run


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1 d1 10\nq1 d2 9\n", "query 'q1' begins with rank 9; expected ranks from 1, each once"),
        ("q1 d1 1\nq2 d1 1\nq2 d2 2\nq2 d3 2\nq3 d1 1", "query 'q2' has rank 2 twice; expected ranks from 1"),
        ("q1 d1 1\nq1  d1 2\n", ":2: document 'd1' again for query 'q1'"),
        ("q1 d1 1.5\n", ":1: rank '1.5'; expected a whole number from 1"),
        ("q1 d1 1e3\n", ":1: rank '1e3'; expected"),
        ("q1 d1 0\n", ":1: rank '0'; expected"),
        ("q1 d1 -1\n", ":1: rank '-1'; expected"),
        ("q1 d1 1\nq1 Q0 d2 2 1.0 t\n", ":2: 6 columns; expected 3 .qid docid rank., as in the first line"),
        ("q1 Q0 d2 2 1.0 t\nq1 d1 1\n", ":2: 3 columns; expected 6 "),
    ],
)
def test_three_columns_of_something_else_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Scores that are whole numbers would be read as ranks, and reverse the order."""
    (tmp_path / "run.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        Run.read(tmp_path / "run.tsv")


@pytest.mark.parametrize(
    "scores",
    [None, 5, "abc", [], {"q": None}, {"q": ["d"]}, {"q": {"d": [1.0]}}]
    + [{"q": {"d": value}} for value in (None, True, "1", 1j, b"1", float("nan"), float("inf"), 1e39, np.bool_(1))]
    + [
        {"q": {"d": True, "e": 2}},
        {"q": {"d": [1], "e": [1, 2]}},
        {None: {"d": 1}},
        {"q": {None: 1}},
        {"q": {True: 1}},
    ],
)
def test_what_is_no_run_is_an_error(scores: dict[str, dict[str, float]]) -> None:
    """Each is one line of this project."""
    with pytest.raises(InputError, match="^[^\n]+; expected [^\n]+$"):
        Run.from_dict(scores)


@pytest.mark.parametrize(
    ("queries", "docs", "scores"),
    [(None, None, None), ("q", "d", 1.0), (["q"], ["d"], [[1.0]])]
    + [([["q"]], ["d"], [1.0]), (["q"], [["d"]], [1.0]), (["q", ["r"]], ["d", "e"], [1, 2]), (["q"], ["d"], 1.0)]
    + [(np.array([["q"]]), ["d"], [1.0]), (["q"], ["d"], np.ma.masked_array([1.0], [True])), ([1.5], ["d"], [1])],
)
def test_columns_of_wrong_shape_are_an_error(queries: ArrayLike, docs: ArrayLike, scores: ArrayLike) -> None:
    """A column has one dimension, and a value in each row."""
    with pytest.raises(InputError, match="expected"):
        Run.from_columns(queries, docs, scores)


@pytest.mark.parametrize("change", ["docs", "values", "offsets", "query_ids", "name", "ranks"])
@pytest.mark.parametrize("value", [np.ones((1, 1)), np.ones(3), 5, [1, 2]])
def test_a_run_of_parts_that_do_not_belong_together_is_an_error(change: str, value: object) -> None:
    """The constructor checks shapes, types and finite scores."""
    with pytest.raises(InputError, match="expected"):
        dataclasses.replace(Run.from_dict({"q": {"d": 1.0, "e": 2.0}}), **{change: value})
    with pytest.raises(InputError, match="not finite"):
        dataclasses.replace(Run.from_dict({"q": {"d": 1.0}}), values=np.array([np.nan]))
    for k in (0, "1", 1.5, True, None):
        with pytest.raises(InputError, match="expected at least 1, as a whole number"):
            Run.from_dict({"q": {"d": 1.0}}).top(k)  # type: ignore[arg-type]
