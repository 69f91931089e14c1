"""Reading TREC files as columns: Arrow reads a regular file, a line-by-line scan reads an irregular or faulty one."""

import gzip
import re
import zlib
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.table import Ids, RowIndex, TableFields, arrange, as_strings, group
from ir_eval.data.text_files import MAX_ID_BYTES, check_file, excess, read_lines, unchanged
from ir_eval.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Ranks = NDArray[np.int64]

_BEIR_HEADERS = {"score", "relevance", "label"}  # names of the third column in a header
_SCORE_LIMIT = float.fromhex("0x1.ffffffp127")  # a double below it rounds to a finite float32
_SCORE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # the decimal numbers that C's atof reads
_GRADE = re.compile(r"([+-]?[0-9]+)(\.0*)?")  # what C's atol reads without loss: integers, also as pandas writes floats
_SCAN_BYTES = 2**20  # bytes searched for separators at once: a block fits the processor's cache
_MAX_FIXED_BYTES = 64  # the longest id kept as bytes of fixed width; numpy's strings take at least 16 bytes each


class _Layout(NamedTuple):
    """The columns of a file, and how to read its numbers."""

    name: str  # content of the file in one word, for error messages
    columns: tuple[str, ...]
    value: str  # name of the column with the number; "" for relevance 1 in every line
    number: str  # description of a valid number, for error messages
    parse: Callable[[str], SupportsFloat]  # reads the number, or raises ValueError
    dtype: type[np.generic]  # type of the stored numbers
    header: bool = False  # whether the first line names the columns
    other: str = ""  # another layout that is accepted, for error messages


def read_run(path: str | Path) -> tuple[TableFields, Ranks | None, str]:
    """Read a TREC run, ``qid Q0 docid rank score tag``, or MS MARCO's ``qid pid rank``, into canonical order.

    The scores of MS MARCO's format are the negative ranks.

    Returns:
        The fields of a `Table`; the rank column in the same order, (N,), or None if it does not hold integers; the tag
        on the first line, or ``run``.

    Examples:
        >>> fields, ranks, tag = read_run("bm25.trec")
        >>> tag
        'bm25'
    """
    first = _split(next(read_lines(path), (0, ""))[1])
    if len(first) != len(_MSMARCO_RUN.columns):
        fields, ranks = _read_table(path, _RUN)
        return fields, ranks, first[-1]
    fields, _ = _read_table(path, _MSMARCO_RUN)
    _check_ranks(path, fields)
    return fields, None, "run"


def _check_ranks(path: str | Path, fields: TableFields) -> None:
    """Refuse three columns of something else than MS MARCO's format, such as scores that are whole numbers."""
    names, offsets, _, values = fields
    wrong = np.flatnonzero(values[offsets[:-1]] != -1).tolist()  # the best rank of each query
    same = np.flatnonzero((values[1:] == values[:-1]) & ~np.isin(np.arange(1, len(values)), offsets)).tolist()
    if wrong or same:
        query = wrong[0] if wrong else int(np.searchsorted(offsets, same[0], "right")) - 1
        seen = f"begins with rank {-values[offsets[query]]:g}" if wrong else f"has rank {-values[same[0]]:g} twice"
        raise InputError(
            f"{path}: query {names[query]!r} {seen}; expected ranks from 1, each once, as in MS MARCO's format qid pid "
            "rank; a run with scores has six columns"
        )


def read_qrels(path: str | Path) -> TableFields:
    """Read TREC qrels, ``qid 0 docid relevance``, BEIR's three columns or MS MARCO's two, into canonical order.

    All documents of MS MARCO's format, ``qid pid``, have relevance 1.

    Examples:
        >>> query_ids, *_ = read_qrels("qrels.txt")
        >>> query_ids.tolist()
        ['q1', 'q2']
    """
    line = next(read_lines(path), (0, ""))[1]
    first = _split(line)
    if len(first) == len(_MSMARCO_QRELS.columns) and not line[0].isspace():  # otherwise the query id is missing
        return _read_table(path, _MSMARCO_QRELS)[0]
    if len(first) != 3 or first[1] == "0":  # a TREC line without relevance looks like a judgement of document 0
        return _read_table(path, _QRELS)[0]
    return _read_table(path, _BEIR_QRELS._replace(header=first[2].lower() in _BEIR_HEADERS))[0]


def _read_table(path: str | Path, layout: _Layout) -> tuple[TableFields, Ranks | None]:
    """Read a file, plain or ``.gz``: the fields of a `Table`, and the ranks in the same order if they are integers."""
    with unchanged(check_file(path)):
        try:
            return _read_regular(Path(path), layout)
        except (ValueError, OSError, EOFError, zlib.error):
            # An InputError is a ValueError, too: the scan finds the same fault again, with its line number.
            queries, docs, values, ranks = _scan(path, layout)
            fields, order = group(queries, docs, values)
            return fields, _integers(ranks, order)


def _split(line: str) -> list[str]:
    """Split a line at ASCII whitespace, as C does; ``str.split`` would also split at a no-break space in an id."""
    return [field.decode() for field in line.encode().split()]


def _read_regular(path: Path, layout: _Layout) -> tuple[TableFields, Ranks | None]:
    """Read a file with exactly one separator between columns; raise ValueError for any other."""
    import pyarrow as pa

    compressed = path.suffix == ".gz"
    with pa.BufferReader(gzip.decompress(path.read_bytes())) if compressed else pa.OSFile(str(path)) as file:
        columns = _columns(file, layout)
    if not columns.num_rows:
        raise ValueError("a header alone")
    values = _numbers(columns[layout.value], layout) if layout.value else np.ones(columns.num_rows, layout.dtype)
    queries = columns["qid"].combine_chunks()
    names = as_strings(_bytes(queries.dictionary))
    fields, order = arrange(names, queries.indices.to_numpy(), _ids(columns["docid"].chunks), values)
    if "rank" not in layout.columns or layout.value == "rank":
        return fields, None
    ranks = columns["rank"].combine_chunks()
    return fields, _integers(ranks.dictionary.to_pylist(), ranks.indices.to_numpy()[order])


def _numbers(column: "pa.ChunkedArray", layout: _Layout) -> NDArray[Any]:
    """Return scores as floats; parse relevance grades and ranks, few of which differ, as `_scan` does."""
    if layout.value != "score":
        repeated = column.combine_chunks()
        rows: NDArray[np.int32] = repeated.indices.to_numpy()
        return np.array([layout.parse(text) for text in repeated.dictionary.to_pylist()], dtype=layout.dtype)[rows]
    with np.errstate(over="ignore"):
        values: NDArray[Any] = np.concatenate([chunk.to_numpy().astype(layout.dtype) for chunk in column.chunks])
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    return values


def _columns(file: "pa.NativeFile", layout: _Layout) -> "pa.Table":
    """Read query ids, ranks and grades as dictionary-encoded strings, document ids as strings, scores as doubles."""
    import pyarrow as pa
    from pyarrow import csv

    repeated = pa.dictionary(pa.int32(), pa.string())
    # A score is parsed as a double and rounded to a float, as trec_eval does with atof.
    types = {"qid": repeated, "docid": pa.string(), "rank": repeated, "relevance": repeated, "score": pa.float64()}
    types = {name: kind for name, kind in types.items() if name in layout.columns}
    separator = _separator(file)
    file.seek(0)
    return csv.read_csv(
        file,
        read_options=csv.ReadOptions(column_names=layout.columns, skip_rows=int(layout.header)),
        parse_options=csv.ParseOptions(delimiter=separator, quote_char=False),
        convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[]),
    )


def _separator(file: "pa.NativeFile") -> str:
    """Return the separator, a blank or a tab; raise ValueError for other or repeated ones, or for invalid UTF-8."""
    separator, last, decoder = b" ", b"\n", getincrementaldecoder("utf-8")()
    while block := file.read(_SCAN_BYTES):
        decoder.decode(block)  # raises UnicodeDecodeError: Arrow looks only at the columns that it converts
        if file.tell() == len(block):
            separator = b"\t" if b"\t" in block else b" "
            block = block.removeprefix(BOM_UTF8)  # as Arrow does
        data = np.frombuffer(last + block, dtype=np.uint8)
        blank = data <= ord(" ")
        known = (data == ord(separator)) | (data == ord("\n"))
        if (blank != known).any() or (blank[1:] & blank[:-1]).any():
            raise ValueError("mixed or repeated separators")
        last = block[-1:]
    decoder.decode(b"", final=True)
    if last == separator:
        raise ValueError("an empty column at the end")
    return separator.decode()


def _ids(chunks: "list[pa.Array]") -> Ids:
    """Join ids: as bytes of one width, which is fast and compact, or as strings if an id is long. (N,)."""
    import pyarrow.compute as pc

    width = max(pc.max(pc.binary_length(chunk)).as_py() for chunk in chunks)
    if width > _MAX_FIXED_BYTES:
        return np.concatenate([as_strings(_bytes(chunk)) for chunk in chunks])
    ids = np.empty(sum(map(len, chunks)), dtype=f"S{-(-width // 8) * 8}")
    for chunk, start in zip(chunks, np.cumsum([0, *map(len, chunks)]).tolist(), strict=False):
        ids[start : start + len(chunk)] = _bytes(chunk, ids.itemsize)
    return ids


def _bytes(texts: "pa.Array", width: int = 0) -> NDArray[np.bytes_]:
    """Convert an Arrow array to numpy bytes, of the given width or the longest text's, without Python objects."""
    import pyarrow.compute as pc

    width = max(1, width or pc.max(pc.binary_length(texts)).as_py())
    if width > MAX_ID_BYTES:
        raise ValueError("an id is too long")
    padded = pc.ascii_rpad(texts, width, padding="\0").buffers()[2]
    return np.frombuffer(padded, dtype=f"S{width}", count=len(texts))


def _integers(texts: list[str], rows: RowIndex | NDArray[np.int32]) -> Ranks | None:
    """Return ``texts[rows]`` as integers, or None if a text is not an integer. (N,)."""
    try:
        return np.array([int(text) for text in texts], dtype=np.int64)[rows]
    except (ValueError, OverflowError):
        return None


def _scan(path: str | Path, layout: _Layout) -> tuple[list[str], list[str], NDArray[Any], list[str]]:
    """Read queries, documents, numbers and ranks line by line: slower, but errors name the line."""
    rows: dict[tuple[str, str], tuple[SupportsFloat, str, int]] = {}  # (query, document) to number, rank and line
    for line_number, line in islice(read_lines(path), int(layout.header), None):
        where, fields = f"{path}:{line_number}", _split(line)
        if len(fields) != len(layout.columns):
            expected = f"{len(layout.columns)} ({' '.join(layout.columns)}){layout.other}"
            raise InputError(f"{where}: {len(fields)} columns; expected {expected}; correct or remove the line")
        row = dict(zip(layout.columns, fields, strict=True))
        if fault := excess(row["qid"]) or excess(row["docid"]):
            raise InputError(f"{where}: {fault}; correct or remove the line")
        try:
            number = layout.parse(row[layout.value]) if layout.value else 1
        except ValueError:
            seen = f"{layout.value} {row[layout.value][:40]!r}"
            raise InputError(f"{where}: {seen}; expected {layout.number}; correct or remove the line") from None
        first, _, first_line = rows.setdefault((row["qid"], row["docid"]), (number, row.get("rank", ""), line_number))
        if first_line != line_number and (layout.name == "run" or first != number):
            seen = f"document {row['docid']!r} again for query {row['qid']!r}"
            raise InputError(f"{where}: {seen}; expected once; remove this line or line {first_line}")
    if not rows:
        expected = f"lines of {' '.join(layout.columns)}"
        raise InputError(f"{path}: empty {layout.name}; expected {expected}; check what wrote it")
    queries, docs = [query for query, _ in rows], [doc for _, doc in rows]
    values = np.array([number for number, _, _ in rows.values()], dtype=layout.dtype)
    return queries, docs, values, [rank for _, rank, _ in rows.values()]


def _parse_score(text: str) -> float:
    if not _SCORE.fullmatch(text) or abs(score := float(text)) >= _SCORE_LIMIT:
        raise ValueError(text)
    return score


def _parse_rank(text: str) -> int:
    if not re.fullmatch("[0-9]{1,7}", text) or not (rank := int(text)):
        raise ValueError(text)
    return -rank


def _parse_grade(text: str) -> int:
    if not (match := _GRADE.fullmatch(text)) or not -(2**63) <= (grade := int(match[1])) < 2**63:
        raise ValueError(text)
    return grade


_RUN = _Layout(
    "run", ("qid", "Q0", "docid", "rank", "score", "tag"), "score", "a finite 32-bit number", _parse_score, np.float32
)
_MSMARCO_RUN = _Layout("run", ("qid", "docid", "rank"), "rank", "a whole number from 1", _parse_rank, np.float32)
_MSMARCO_RUN = _MSMARCO_RUN._replace(other=", as in the first line")
_QRELS = _Layout("judgements", ("qid", "0", "docid", "relevance"), "relevance", "an integer", _parse_grade, np.int64)
_QRELS = _QRELS._replace(other=", or BEIR's 3 below a line query-id corpus-id score, or MS MARCO's 2, qid pid")
_BEIR_QRELS = _QRELS._replace(columns=("qid", "docid", "relevance"), other=", as in the first line")
_MSMARCO_QRELS = _BEIR_QRELS._replace(columns=("qid", "docid"), value="")
