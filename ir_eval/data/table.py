"""Rows of (query, document, number) grouped by query in trec_eval's order: what a Run and Qrels have in common."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.errors import InputError

Strings = NDArray[Any]  # dtype StringDType, which numpy's own annotations cannot follow yet
Ids = NDArray[Any]  # Strings, or the same as UTF-8 bytes
Parts = tuple[Strings, NDArray[np.int64], Ids, NDArray[Any]]  # the fields of a Table
Order = NDArray[np.int64] | slice  # what brings rows into order, as an index

_BLOCK = 2**16  # rows hashed together: they fit the cache


@dataclass(frozen=True, eq=False)
class Table:
    """Documents grouped by query, each with one number, in canonical order; immutable.

    Canonical is trec_eval's order: the number descending, then the document id descending by its bytes.

    Attributes:
        query_ids: Unique, sorted by code point. (Q,)
        offsets: Query ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``. (Q + 1,)
        docs: The document ids as they came: strings, or UTF-8 bytes until somebody asks for ``doc_ids``. (N,)
        values: One number per document. (N,)
    """

    query_ids: Strings
    offsets: NDArray[np.int64]
    docs: Ids
    values: NDArray[Any]

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for array in (self.query_ids, self.offsets, self.docs, self.values):
            array.flags.writeable = False

    @cached_property
    def doc_ids(self) -> Strings:
        """The document ids. (N,)."""
        ids = as_strings(self.docs)
        ids.flags.writeable = False
        return ids

    @property
    def codes(self) -> NDArray[np.int64]:
        """The position in ``query_ids`` of each row's query. (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each row stands in its query, from 0. (N,)."""
        return np.arange(len(self.docs)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.query_ids)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the query ids, in order."""
        return iter(self.query_ids.tolist())

    def __contains__(self, query_id: object) -> bool:
        """Tell whether the query has rows."""
        return query_id in self._positions

    def __eq__(self, other: object) -> bool:
        """Compare contents: the same numbers for the same documents of the same queries."""
        if not isinstance(other, Table) or type(other) is not type(self):
            return NotImplemented
        columns = ("query_ids", "offsets", "values", "doc_ids")
        return all(np.array_equal(getattr(self, column), getattr(other, column)) for column in columns)

    def rows(self, query_id: str) -> slice:
        """Return the rows of one query.

        Raises:
            KeyError: The query has none; the error names it.
        """
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


def flatten(nested: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str], list[float]]:
    """Turn ``{query: {document: number}}`` into the columns query, document and number."""
    return (
        [query_id for query_id, documents in nested.items() for _ in documents],
        [doc_id for documents in nested.values() for doc_id in documents],
        [value for documents in nested.values() for value in documents.values()],
    )


def group(query_ids: ArrayLike, doc_ids: ArrayLike, values: NDArray[Any]) -> tuple[Parts, Order]:
    """Check rows in any order and bring them into canonical order.

    Args:
        query_ids: Strings. (N,)
        doc_ids: Strings. (N,)
        values: Numbers. (N,)

    Returns:
        The rows in order, and what brought them into it. (N,)

    Raises:
        InputError: No rows; columns of unequal length; an id that is not a string, is empty or has whitespace;
            a number that is not finite; a document twice for one query.
    """
    queries, docs = _strings(query_ids), _strings(doc_ids)
    if not len(queries) == len(docs) == len(values):
        raise InputError(f"{len(queries)} query ids, {len(docs)} document ids, {len(values)} numbers; expected as many")
    if not len(queries):
        raise InputError("no rows; expected at least one document for one query")
    if not np.isfinite(values).all():
        row = np.argmin(np.isfinite(values))
        raise InputError(f"query {queries[row]!r}, document {docs[row]!r}: {values[row]}; expected a finite number")
    starts = np.flatnonzero(np.concatenate(([True], queries[1:] != queries[:-1])))
    blocks = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(queries)))
    parts, order = arrange(queries[starts], blocks, docs, values)
    _check_tokens(parts[0])
    _check_tokens(parts[2])
    return parts, order


def arrange(names: Strings, codes: NDArray[np.integer[Any]], docs: Ids, values: NDArray[Any]) -> tuple[Parts, Order]:
    """Bring rows, the query of row ``i`` being ``names[codes[i]]``, into canonical order.

    Returns:
        The rows in order, and what brought them into it. (N,)

    Raises:
        InputError: A document twice for one query.
    """
    query_ids, position = distinct(names)
    codes = position.astype(np.int32)[codes]
    order = _canonical_order(codes, docs, values)
    codes, docs = codes[order], docs[order]
    offsets = np.searchsorted(codes, np.arange(len(query_ids) + 1, dtype=codes.dtype))
    keys = np.sort(row_keys(codes, docs))
    if np.any(keys[1:] == keys[:-1]):
        _check_unique(query_ids, offsets, as_strings(docs))
    return (query_ids, offsets, docs, values[order]), order


def row_keys(codes: NDArray[np.integer[Any]], docs: Ids) -> NDArray[np.uint64]:
    """Hash rows of a query's number and a document: equal rows have equal keys, unequal ones almost never. (N,)."""
    odd = np.uint64(0x9E3779B97F4A7C15)
    keys = codes.astype(np.uint64) * odd
    for start in range(0, len(docs), _BLOCK):
        words = _words(docs[start : start + _BLOCK])  # a trailing zero adds nothing: the width does not matter
        words = words ^ (words >> np.uint64(32))
        powers = np.cumprod(np.full(words.shape[1], odd)) * odd
        keys[start : start + _BLOCK] += np.sum(words * powers, axis=1, dtype=np.uint64)
    return keys


def distinct(ids: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Return the different ids in order of their bytes, and the position among them of each that is given."""
    # asked for the index, too, np.unique sorts stably: its other argsort of strings ends the process on some orders
    unique, _, position = np.unique(ids, return_index=True, return_inverse=True)
    return unique, position


def as_strings(ids: Ids) -> Strings:
    """Return ids, UTF-8 if they are bytes, as strings."""
    return ids.astype(np.dtypes.StringDType())


def _words(ids: Ids) -> NDArray[np.uint64]:
    """Look at ids as eight bytes at a time, filled up with zeros. (n, W)."""
    if ids.dtype.kind != "S":
        try:
            ids = ids.astype(f"S{max(1, np.strings.str_len(ids).max())}")
        except UnicodeEncodeError:  # that cast is for ASCII only, and ten times faster
            ids = np.strings.encode(ids, "utf-8")
    width = -(-ids.dtype.itemsize // 8)
    return ids.astype(f"S{8 * width}").view(np.uint64).reshape(len(ids), width)


def _check_unique(query_ids: Strings, offsets: NDArray[np.int64], docs: Strings) -> None:
    """Compare the ids themselves: equal hashes are a duplicate, or a coincidence."""
    for query_id, start, end in zip(query_ids.tolist(), offsets[:-1], offsets[1:], strict=True):
        ids = docs[start:end].tolist()
        if len(set(ids)) < len(ids):
            twice = next(one for one, two in pairwise(sorted(ids)) if one == two)
            raise InputError(f"document {twice!r} twice for query {query_id!r}; expected once; remove one")


def _strings(ids: ArrayLike) -> Strings:
    try:
        return np.array(ids, dtype=np.dtypes.StringDType(coerce=False)).astype(np.dtypes.StringDType())
    except ValueError:
        raise InputError("an id is not a string; expected str; convert the ids with str() first") from None


def _check_tokens(ids: Strings) -> None:
    """Refuse what a TREC file could not hold."""
    wrong = ids == ""
    for space in " \t\n\r\v\f":  # C isspace, by which trec_eval splits columns
        wrong |= np.strings.find(ids, space) >= 0
    if wrong.any():
        raise InputError(
            f"id {ids[np.argmax(wrong)]!r}; expected text without whitespace, as in a TREC file; rename it"
        )


def _canonical_order(codes: NDArray[np.integer[Any]], docs: Ids, values: NDArray[Any]) -> Order:
    """Sort by query and number; compare document ids only where numbers tie. Rows in order are left alone."""
    order: Order = np.argsort(codes, kind="stable") if np.any(codes[1:] < codes[:-1]) else slice(None)
    ranked, grouped = values[order], codes[order]
    same_query = grouped[1:] == grouped[:-1]
    if np.any(same_query & (ranked[1:] > ranked[:-1])):
        order = _descending(codes, values)
        ranked = values[order]
    tied = np.concatenate(([False], same_query & (ranked[1:] == ranked[:-1])))  # with the row before
    if not tied.any():
        return order
    rows = np.flatnonzero(tied | np.append(tied[1:], False))
    order = np.arange(len(codes))[order]
    doc_ranks = distinct(docs[order[rows]])[1]
    order[rows] = order[rows[np.lexsort((-doc_ranks, np.cumsum(~tied[rows])))]]
    return order


def _descending(codes: NDArray[np.integer[Any]], values: NDArray[Any]) -> NDArray[np.int64]:
    """Sort by query, and by number from the largest. Numbers of 32 bits fit beside a query into 64, sorted at once."""
    if values.dtype != np.float32:
        return np.lexsort((-values, codes))
    bits = (values + np.float32(0)).view(np.uint32)  # -0 is 0
    negative = bits >> 31 != 0
    descending = np.where(negative, bits, ~bits & np.uint32(0x7FFFFFFF))
    return np.argsort(codes.astype(np.uint64) << np.uint64(32) | descending)
