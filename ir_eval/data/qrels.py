"""Relevance judgements (qrels): the relevance of documents to queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from ir_eval.data.columns import as_numbers, flatten
from ir_eval.data.table import Table, group
from ir_eval.data.text_files import atomic_write, guard
from ir_eval.data.trec import read_qrels
from ir_eval.errors import InputError


@dataclass(frozen=True, eq=False)
class Qrels(Table):
    """Judged documents with integer relevance, grouped by query, most relevant first; immutable.

    A negative relevance is legal; trec_eval reads it as "pooled but not judged". Make qrels with `from_columns`,
    `from_dict` or `read`. The arrays are those of `Table`; ``values`` holds the relevance, int64.

    Examples:
        >>> qrels = Qrels.read("qrels.txt")
        >>> qrels["q2"]
        {'d3': 2, 'd4': 0}
    """

    @classmethod
    def from_columns(cls, query_ids: ArrayLike, doc_ids: ArrayLike, relevance: ArrayLike) -> Self:
        """Make qrels from rows in any order, each column of shape (N,).

        Raises:
            InputError: A relevance is no whole number, or a document has two grades; see also `Run.from_columns`.
        """
        expected = "integers of at most 64 bits"
        values = as_numbers(relevance, "relevance", expected)
        wrong = values[~((values >= -(2**63)) & (values < 2**63) & (values == np.floor(values)))]
        if wrong.size:
            raise InputError(f"relevance of type {values.dtype}; expected {expected}, not {wrong.tolist()[0]!r}")
        fields, _ = group(query_ids, doc_ids, values.astype(np.int64))
        return cls(*fields)

    @classmethod
    def from_dict(cls, relevance: Mapping[str, Mapping[str, int]]) -> Self:
        """Make qrels from ``{query: {document: relevance}}``; a query without documents is left out."""
        return cls.from_columns(*flatten(relevance))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read TREC qrels, ``qid 0 docid relevance``, BEIR's three columns or MS MARCO's two, plain or ``.gz``.

        BEIR's header may be missing. All documents of MS MARCO's ``qid pid`` have relevance 1. A whole number may be
        written as a float, ``1.0``, and a judgement may be repeated with the same grade.

        Raises:
            InputError: The file cannot be read or is empty, or a line has a wrong number of columns, a relevance that
                is not an integer, or another relevance of an earlier document. The message has the file and the line.
        """
        return cls(*read_qrels(path))

    def __getitem__(self, query_id: str) -> dict[str, int]:
        """Return ``{document: relevance}`` of a query, most relevant first."""
        rows = self.rows(query_id)
        return dict(zip(self.doc_ids[rows].tolist(), self.values[rows].tolist(), strict=True))

    def write(self, path: str | Path) -> None:
        """Write TREC qrels, gzipped if ``path`` ends in ``.gz``. The file appears once it is complete."""
        with atomic_write(path) as file:
            file.write(guard(next(iter(self), "")))
            for query_id in self:
                file.writelines(f"{query_id} 0 {doc_id} {level}\n" for doc_id, level in self[query_id].items())
