"""Relevance judgements: which documents are how relevant to which query."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from ir_eval.data.files import atomic_write, read_lines
from ir_eval.data.table import Table, flatten, group
from ir_eval.data.trec import Layout, read_table
from ir_eval.errors import InputError

_BEIR_HEADER = "query-id\tcorpus-id\tscore"


@dataclass(frozen=True, eq=False)
class Qrels(Table):
    """Judged documents with integer relevance, grouped by query, most relevant first; immutable.

    A negative judgement is legal; to trec_eval it means "pooled but not judged". Make judgements with `from_columns`,
    `from_dict` or `read`.

    Attributes:
        query_ids: Unique, sorted by code point. (Q,)
        offsets: Query ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``. (Q + 1,)
        docs: The document ids as they came; ``doc_ids`` has them as strings. (N,)
        values: The relevance, int64. (N,)
    """

    @classmethod
    def from_columns(cls, query_ids: ArrayLike, doc_ids: ArrayLike, relevance: ArrayLike) -> Self:
        """Make judgements from rows in any order, each of shape (N,).

        Raises:
            InputError: No rows; columns of unequal length; an id that is not a string, is empty or has whitespace;
                a relevance that is not an integer; a document twice for one query.
        """
        values = np.asarray(relevance)
        if values.size and values.dtype.kind not in "iu":
            raise InputError(f"relevance of type {values.dtype}; expected integers")
        parts, _ = group(query_ids, doc_ids, values.astype(np.int64))
        return cls(*parts)

    @classmethod
    def from_dict(cls, relevance: Mapping[str, Mapping[str, int]]) -> Self:
        """Make judgements from ``{query: {document: relevance}}``; a query without documents is left out.

        Raises:
            InputError: As `from_columns`.
        """
        return cls.from_columns(*flatten(relevance))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read TREC judgements ``qid 0 docid relevance``, or BEIR's TSV, known by its header; plain or ``.gz``.

        Raises:
            InputError: With file and line: a wrong column count, a relevance that is not an integer, a document
                twice for one query. With the file: it cannot be read or is empty.
        """
        _, first_line = next(read_lines(path), (0, ""))
        parts, _ = read_table(path, _BEIR if first_line == _BEIR_HEADER else _TREC)
        return cls(*parts)

    def __getitem__(self, query_id: str) -> dict[str, int]:
        """Return ``{document: relevance}`` of a query, most relevant first.

        Raises:
            KeyError: The query has no judgements; names it.
        """
        rows = self.rows(query_id)
        return dict(zip(self.doc_ids[rows].tolist(), self.values[rows].tolist(), strict=True))

    def write(self, path: str | Path) -> None:
        """Write TREC judgements, gzipped if ``path`` ends in ``.gz``. The file appears whole or not at all."""
        with atomic_write(path) as file:
            for query_id in self:
                file.writelines(f"{query_id} 0 {doc_id} {level}\n" for doc_id, level in self[query_id].items())


_TREC = Layout(
    name="judgements",
    columns=("qid", "0", "docid", "relevance"),
    value="relevance",
    number="an integer",
    parse=np.int64,
    dtype=np.int64,
)
_BEIR = _TREC._replace(columns=("qid", "docid", "relevance"), header=True)
