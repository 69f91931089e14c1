"""TREC files as columns: a regular file goes through Arrow, an unusual or wrong one through a careful line scan."""

import gzip
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ir_eval.data.files import read_lines
from ir_eval.data.table import Ids, Order, Parts, arrange, as_strings, group
from ir_eval.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Ranks = NDArray[np.int64]

_BLOCK = 2**20  # bytes looked at together: fits the cache
_WIDEST = 64  # bytes of an id; as strings, ids take 16 or more in any case


class Layout(NamedTuple):
    """The columns of a file and how the number among them is read.

    Attributes:
        name: What the file holds, in a word.
        columns: Names, in order; ``qid``, ``docid`` and ``value`` are among them.
        value: Name of the column with the number.
        number: What that column holds, in words.
        parse: Reads it, or raises ValueError or OverflowError.
        dtype: What it is kept as, ``float32`` or ``int64``.
        header: Whether the first line names the columns.
    """

    name: str
    columns: tuple[str, ...]
    value: str
    number: str
    parse: Callable[[str], SupportsFloat]
    dtype: type[np.generic]
    header: bool = False


def read_table(path: str | Path, layout: Layout) -> tuple[Parts, Ranks | None]:
    """Read a file, plain or ``.gz``, with columns separated by any whitespace, into canonical order.

    Returns:
        The rows in order, and beside them what the column ``rank`` says, if there is one and it holds integers. (N,)

    Raises:
        InputError: With file and line: the file cannot be read, a line has too few or too many columns or a bad
            number, a document appears twice for one query. With the file: there are no rows.
    """
    try:
        return _read_regular(Path(path), layout)
    except (ValueError, OSError, EOFError, zlib.error):
        # InputError, too, is a ValueError: the scan finds the fault again and knows its line.
        queries, docs, values, ranks = _scan(path, layout)
        parts, order = group(queries, docs, values)
        return parts, _integers(ranks, order)


def fields_of(line: str) -> list[str]:
    """Split a line as C does: bytes.split knows only ASCII whitespace, so that an id may hold a no-break space."""
    return [field.decode() for field in line.encode().split()]


def _read_regular(path: Path, layout: Layout) -> tuple[Parts, Ranks | None]:
    """Read a file with exactly one separator between columns; else raise ValueError."""
    import pyarrow as pa

    packed = path.suffix == ".gz"
    with pa.BufferReader(gzip.decompress(path.read_bytes())) if packed else pa.OSFile(str(path)) as file:
        columns = _columns(file, layout)
    with np.errstate(over="ignore"):
        values = np.concatenate([chunk.to_numpy().astype(layout.dtype) for chunk in columns[layout.value].chunks])
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    queries = columns["qid"].combine_chunks()
    names = as_strings(_bytes(queries.dictionary))
    parts, order = arrange(names, queries.indices.to_numpy(), _ids(columns["docid"].chunks), values)
    if "rank" not in layout.columns:
        return parts, None
    ranks = columns["rank"].combine_chunks()
    return parts, _integers(ranks.dictionary.to_pylist(), ranks.indices.to_numpy()[order])


def _columns(file: "pa.NativeFile", layout: Layout) -> "pa.Table":
    """Read the columns that are needed: as texts with few different ones, as texts, as numbers."""
    import pyarrow as pa
    from pyarrow import csv

    few = pa.dictionary(pa.int32(), pa.string())
    # A score is parsed as a double and kept as a float, as trec_eval does with atof.
    number = pa.float64() if layout.dtype is np.float32 else pa.int64()
    types = {"qid": few, "docid": pa.string(), layout.value: number, "rank": few}
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
    """Return the one character that, never doubled, separates all columns; else raise ValueError."""
    separator, last = b" ", b"\n"
    while block := file.read(_BLOCK):
        if file.tell() == len(block) and b"\t" in block:
            separator = b"\t"
        data = np.frombuffer(last + block, dtype=np.uint8)
        blank = data <= ord(" ")
        known = (data == ord(separator)) | (data == ord("\n"))
        if (blank != known).any() or (blank[1:] & blank[:-1]).any():
            raise ValueError("mixed or repeated separators")
        last = block[-1:]
    if last == separator:
        raise ValueError("an empty column at the end")
    return separator.decode()


def _ids(chunks: "list[pa.Array]") -> Ids:
    """Join texts: as bytes of one width, which cost little, unless there is a long one, to whose length all grow."""
    import pyarrow.compute as pc

    width = max(pc.max(pc.binary_length(chunk)).as_py() for chunk in chunks)
    if width > _WIDEST:
        return np.concatenate([as_strings(_bytes(chunk)) for chunk in chunks])
    ids = np.empty(sum(map(len, chunks)), dtype=f"S{-(-width // 8) * 8}")
    for chunk, start in zip(chunks, np.cumsum([0, *map(len, chunks)]).tolist(), strict=False):
        ids[start : start + len(chunk)] = _bytes(chunk, ids.itemsize)
    return ids


def _bytes(texts: "pa.Array", width: int = 0) -> NDArray[np.bytes_]:
    """Turn an Arrow array into numpy bytes, of this width or the longest's, without making Python objects."""
    import pyarrow.compute as pc

    width = max(1, width or pc.max(pc.binary_length(texts)).as_py())
    padded = pc.ascii_rpad(texts, width, padding="\0").buffers()[2]
    return np.frombuffer(padded, dtype=f"S{width}", count=len(texts))


def _integers(texts: list[str], rows: Order | NDArray[np.int32]) -> Ranks | None:
    """Return the integers that the texts at ``rows`` spell, if all texts do. (N,)."""
    try:
        return np.array([int(text) for text in texts], dtype=np.int64)[rows]
    except (ValueError, OverflowError):
        return None


def _scan(path: str | Path, layout: Layout) -> tuple[list[str], list[str], NDArray[Any], list[str]]:
    """Read line by line: slower, but it knows where it is."""
    first_seen: dict[tuple[str, str], int] = {}
    values, ranks = [], []
    for line_number, line in islice(read_lines(path), int(layout.header), None):
        where, fields = f"{path}:{line_number}", fields_of(line)
        if len(fields) != len(layout.columns):
            expected = f"{len(layout.columns)} ({' '.join(layout.columns)})"
            raise InputError(f"{where}: {len(fields)} columns; expected {expected}; correct or remove the line")
        row = dict(zip(layout.columns, fields, strict=True))
        try:
            values.append(layout.parse(row[layout.value]))
        except (ValueError, OverflowError):
            seen = f"{layout.value} {row[layout.value]!r}"
            raise InputError(f"{where}: {seen}; expected {layout.number}; correct or remove the line") from None
        ranks.append(row.get("rank", ""))
        first = first_seen.setdefault((row["qid"], row["docid"]), line_number)
        if first != line_number:
            raise InputError(
                f"{where}: document {row['docid']!r} again for query {row['qid']!r}; "
                f"expected once; remove this line or line {first}"
            )
    if not values:
        expected = f"lines of {' '.join(layout.columns)}"
        raise InputError(f"{path}: empty {layout.name}; expected {expected}; check what wrote it")
    queries, docs = [query for query, _ in first_seen], [doc for _, doc in first_seen]
    return queries, docs, np.array(values, dtype=layout.dtype), ranks
