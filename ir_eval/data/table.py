"""Rows of (query, document, number), grouped by query in trec_eval's order: the common base of Run and Qrels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.data.columns import Strings as Strings, as_ids
from ir_eval.data.text_files import MAX_ID_BYTES, excess
from ir_eval.errors import InputError

Ids = NDArray[Any]  # Strings, or the same ids as UTF-8 bytes
TableFields = tuple[Strings, NDArray[np.int64], Ids, NDArray[Any]]  # the arguments of Table
RowIndex = NDArray[np.int64] | slice  # selects rows in a new order

_ROWS_PER_BLOCK = 2**16  # ids hashed at once: a block fits the processor's cache


@dataclass(frozen=True, eq=False)
class Table:
    """Documents grouped by query, each with one number, in canonical order; immutable.

    The canonical order is trec_eval's: the number descending, then the document id descending by its bytes.

    Attributes:
        query_ids: Unique query ids, sorted by code point. (Q,)
        offsets: First row of each query: query ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``. (Q + 1,)
        docs: Document ids as strings or UTF-8 bytes; ``doc_ids`` has them as strings. (N,)
        values: One number per document. (N,)

    Examples:
        >>> fields, _ = group(["q2", "q1", "q1"], ["d1", "d1", "d2"], np.array([1.0, 0.5, 0.5]))
        >>> Table(*fields).to_dict()
        {'q1': {'d2': 0.5, 'd1': 0.5}, 'q2': {'d1': 1.0}}
    """

    query_ids: Strings
    offsets: NDArray[np.int64]
    docs: Ids
    values: NDArray[Any]

    def __post_init__(self) -> None:
        """Check the arrays, and make them read-only."""
        arrays = self.query_ids, self.offsets, self.docs, self.values
        shapes = [array.shape if isinstance(array, np.ndarray) else type(array).__name__ for array in arrays]
        rows = shapes[3:]
        if not (
            all(isinstance(shape, tuple) and len(shape) == 1 for shape in shapes)
            and shapes == [(len(self.query_ids),), (len(self.query_ids) + 1,), *rows, *rows]
            and self.offsets.dtype.kind == "i"
            and (self.offsets[0], self.offsets[-1]) == (0, len(self.docs))
            and (np.diff(self.offsets) > 0).all()
        ):
            seen = f"query ids, offsets, documents and numbers of shape {', '.join(map(str, shapes))}"
            raise InputError(f"{seen}; expected those of one table; make it with from_columns, from_dict or read")
        if self.values.dtype.kind not in "if" or not np.isfinite(self.values).all():
            raise InputError(f"numbers of type {self.values.dtype}, or not finite; expected finite numbers")
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @cached_property
    def doc_ids(self) -> Strings:
        """The document ids as strings. (N,)."""
        ids = as_strings(self.docs)
        ids.flags.writeable = False
        return ids

    @property
    def codes(self) -> NDArray[np.int64]:
        """The position of each row's query in ``query_ids``. (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def places(self) -> NDArray[np.int64]:
        """The rank of each row within its query, from 0. (N,)."""
        return np.arange(len(self.docs)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.query_ids)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the query ids, in order."""
        return iter(self.query_ids.tolist())

    def __contains__(self, query_id: object) -> bool:
        """Return whether the query has rows."""
        return query_id in self._positions

    def __eq__(self, other: object) -> bool:
        """Return whether both tables have the same numbers for the same documents of the same queries."""
        if not isinstance(other, Table) or type(other) is not type(self):
            return NotImplemented
        columns = ("query_ids", "offsets", "values", "doc_ids")
        return all(np.array_equal(getattr(self, column), getattr(other, column)) for column in columns)

    def rows(self, query_id: str) -> slice:
        """Return the rows of one query; raise KeyError if it has none."""
        position = self._positions[query_id]
        return slice(int(self.offsets[position]), int(self.offsets[position + 1]))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return ``{query: {document: number}}`` in canonical order."""
        return {
            query_id: dict(zip(self.doc_ids[start:end].tolist(), self.values[start:end].tolist(), strict=True))
            for query_id, start, end in zip(self, self.offsets[:-1], self.offsets[1:], strict=True)
        }

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {query_id: position for position, query_id in enumerate(self)}


def group(query_ids: ArrayLike, doc_ids: ArrayLike, values: NDArray[Any]) -> tuple[TableFields, RowIndex]:
    """Check rows that come in any order, and sort them into canonical order. All columns are (N,).

    Returns:
        The fields of a `Table`, and the index that sorted the rows. (N,)

    Raises:
        InputError: See `Run.from_columns`.

    Examples:
        >>> group(["q1", "q1"], ["d1", "d2"], np.array([1, 2]))[1]
        array([1, 0])
    """
    queries, docs = as_ids(query_ids), as_ids(doc_ids)
    if not len(queries) == len(docs) == len(values):
        lengths = f"{len(queries)} query ids, {len(docs)} document ids, {len(values)} numbers"
        raise InputError(f"{lengths}; expected the same number of each")
    if not len(queries):
        raise InputError("no rows; expected at least one document for one query")
    for ids in (queries, docs):
        for long in np.flatnonzero(np.strings.str_len(ids) > MAX_ID_BYTES // 4).tolist():
            if fault := excess(ids[long]):
                raise InputError(f"query {queries[long][:20]!r}: {fault}; rename it")
    if not np.isfinite(values).all():
        row = np.argmin(np.isfinite(values))
        raise InputError(f"query {queries[row]!r}, document {docs[row]!r}: {values[row]}; expected a finite number")
    starts = np.flatnonzero(np.concatenate(([True], queries[1:] != queries[:-1])))  # of consecutive rows of one query
    codes = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(queries)))
    fields, order = arrange(queries[starts], codes, docs, values)
    _check_tokens(fields[0])
    _check_tokens(fields[2])
    return fields, order


def arrange(
    names: Strings, codes: NDArray[np.integer[Any]], docs: Ids, values: NDArray[Any]
) -> tuple[TableFields, RowIndex]:
    """Sort rows into canonical order, given the query of row ``i`` as ``names[codes[i]]``.

    Returns:
        The fields of a `Table`, and the index that sorted the rows. (N,)

    Examples:
        >>> fields, _ = arrange(as_strings(np.array(["q2", "q1"])), np.array([0, 1]), np.array(["a", "b"]), np.ones(2))
        >>> Table(*fields).to_dict()
        {'q1': {'b': 1.0}, 'q2': {'a': 1.0}}
    """
    query_ids, position = distinct(names)
    codes = position.astype(np.int32)[codes]
    order = _canonical_order(codes, docs, values)
    codes, docs, values = codes[order], docs[order], values[order]
    keys = np.sort(row_keys(codes, docs))
    repeated = np.any(keys[1:] == keys[:-1])
    if repeated and values.dtype == np.int64:  # a document may be judged again with the same grade
        new = np.append(True, (codes[1:] != codes[:-1]) | (docs[1:] != docs[:-1]) | (values[1:] != values[:-1]))
        order = np.arange(len(codes))[order][new]
        codes, docs, values = codes[new], docs[new], values[new]
    offsets = np.searchsorted(codes, np.arange(len(query_ids) + 1, dtype=codes.dtype))
    if repeated:
        _check_unique(query_ids, offsets, as_strings(docs))
    return (query_ids, offsets, docs, values), order


def row_keys(codes: NDArray[np.integer[Any]], docs: Ids) -> NDArray[np.uint64]:
    """Hash (query position, document id) to 64 bits: equal rows have equal keys, different rows almost never. (N,).

    Examples:
        >>> text_key, byte_key = row_keys(np.array([7]), np.array(["d1"])), row_keys(np.array([7]), np.array([b"d1"]))
        >>> bool(text_key == byte_key)
        True
    """
    multiplier = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers never vanish modulo 2^64
    keys = codes.astype(np.uint64) * multiplier
    for start in range(0, len(docs), _ROWS_PER_BLOCK):
        words = _words(docs[start : start + _ROWS_PER_BLOCK])  # zeros at the end add nothing: any width, same key
        words = words ^ (words >> np.uint64(32))
        powers = np.cumprod(np.full(words.shape[1], multiplier)) * multiplier
        keys[start : start + _ROWS_PER_BLOCK] += np.sum(words * powers, axis=1, dtype=np.uint64)
    return keys


def distinct(ids: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Return the unique ids, sorted by their bytes, and the position of each given id among them.

    Examples:
        >>> distinct(np.array(["b", "a", "b"]))[1]
        array([1, 0, 1])
    """
    # return_index makes np.unique sort stably; its unstable argsort of strings crashes on some inputs
    unique, _, position = np.unique(ids, return_index=True, return_inverse=True)
    return unique, position


def as_strings(ids: Ids) -> Strings:
    """Return ids, strings or UTF-8 bytes, as numpy strings of variable width.

    Examples:
        >>> as_strings(np.array([b"d1"])).tolist()
        ['d1']
    """
    return ids.astype(np.dtypes.StringDType())


def _words(ids: Ids) -> NDArray[np.uint64]:
    """View the UTF-8 bytes of ids, padded with zeros, as integers of eight bytes. (n, W)."""
    if ids.dtype.kind != "S":
        try:
            ids = ids.astype(f"S{max(1, np.strings.str_len(ids).max())}")
        except UnicodeEncodeError:  # the cast works for ASCII only, but is ten times faster
            ids = np.strings.encode(ids, "utf-8")
    width = -(-ids.dtype.itemsize // 8)
    return ids.astype(f"S{8 * width}").view(np.uint64).reshape(len(ids), width)


def _check_unique(query_ids: Strings, offsets: NDArray[np.int64], docs: Strings) -> None:
    """Compare the ids themselves: two equal hashes are a duplicate or a coincidence."""
    for query_id, start, end in zip(query_ids.tolist(), offsets[:-1], offsets[1:], strict=True):
        for doc_id, following in pairwise(sorted(docs[start:end].tolist())):
            if doc_id == following:
                raise InputError(f"document {doc_id!r} twice for query {query_id!r}; expected once; remove one")


def _check_tokens(ids: Strings) -> None:
    """Refuse ids that a TREC file cannot hold."""
    wrong = ids == ""
    for space in " \t\n\r\v\f":  # the characters at which trec_eval splits columns (C isspace)
        wrong |= np.strings.find(ids, space) >= 0
    if wrong.any():
        seen = ids[np.argmax(wrong)]
        raise InputError(f"id {seen!r}; expected text without whitespace, as in a TREC file; rename it")


def _canonical_order(codes: NDArray[np.integer[Any]], docs: Ids, values: NDArray[Any]) -> RowIndex:
    """Sort by query, then number; compare document ids only where numbers tie. Sorted rows are not copied."""
    order: RowIndex = np.argsort(codes, kind="stable") if np.any(codes[1:] < codes[:-1]) else slice(None)
    ranked, grouped = values[order], codes[order]
    same_query = grouped[1:] == grouped[:-1]
    if np.any(same_query & (ranked[1:] > ranked[:-1])):
        order = _descending(codes, values)
        ranked = values[order]
    tied = np.concatenate(([False], same_query & (ranked[1:] == ranked[:-1])))  # with the previous row
    if not tied.any():
        return order
    rows = np.flatnonzero(tied | np.append(tied[1:], False))
    order = np.arange(len(codes))[order]
    doc_ranks = distinct(docs[order[rows]])[1]
    order[rows] = order[rows[np.lexsort((-doc_ranks, np.cumsum(~tied[rows])))]]
    return order


def _descending(codes: NDArray[np.integer[Any]], values: NDArray[Any]) -> NDArray[np.int64]:
    """Sort by query, then number, descending. A query and a float32 fit into one 64-bit key, which sorts faster."""
    if values.dtype != np.float32:
        return np.lexsort((-values, codes))
    bits = (values + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0
    negative = bits >> 31 != 0
    descending = np.where(negative, bits, ~bits & np.uint32(0x7FFFFFFF))
    return np.argsort(codes.astype(np.uint64) << np.uint64(32) | descending)
