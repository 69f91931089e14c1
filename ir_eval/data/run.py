"""Runs: a ranking of documents for each query, which every stage takes and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.data.columns import Strings, as_numbers, flatten
from ir_eval.data.table import Table, group
from ir_eval.data.text_files import atomic_write, guard
from ir_eval.data.trec import Ranks, read_run
from ir_eval.errors import InputError


@dataclass(frozen=True, eq=False)
class Run(Table):
    """Ranked documents with float32 scores, grouped by query, in trec_eval's order; immutable.

    Within a query, documents are ordered by score, compared as float32, and ties by document id, both descending (ids
    by their bytes). Every query has at least one document. Make a run with `from_columns`, `from_dict` or `read`.

    Attributes:
        query_ids: Unique query ids, sorted by code point. (Q,)
        doc_ids: Document ids of all queries, one query after the other. (N,)
        scores: Score of each document, float32. (N,)
        offsets: First row of each query: query ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``. (Q + 1,)
        name: Name of the system, the tag in a TREC file; equality ignores it.
        ranks: Rank column of the file, if it holds integers; only `by_rank` uses it. (N,)

    Examples:
        >>> run = Run.from_dict({"q1": {"d1": 0.5, "d2": 2.0}}, name="bm25")
        >>> run.to_dict()
        {'q1': {'d2': 2.0, 'd1': 0.5}}
    """

    name: str = "run"
    ranks: Ranks | None = None

    def __post_init__(self) -> None:
        """Check the name and the ranks, too."""
        super().__post_init__()
        if not isinstance(self.name, str):
            raise InputError(f"name {self.name!r}; expected a string")
        if self.ranks is not None and (not isinstance(self.ranks, np.ndarray) or self.ranks.shape != self.values.shape):
            raise InputError("ranks that are no array with one integer per document; expected one, or None")

    @classmethod
    def from_columns(cls, query_ids: ArrayLike, doc_ids: ArrayLike, scores: ArrayLike, *, name: str = "run") -> Self:
        """Make a run from rows in any order, each column of shape (N,); scores are stored as float32.

        Raises:
            InputError: There are no rows; columns differ in length; an id is no string or integer, is empty or has
                whitespace; a score is not a number or not finite as float32; a query has the same document twice.
        """
        with np.errstate(over="ignore"):
            values = as_numbers(scores, "scores", "numbers").astype(np.float32)
        fields, _ = group(query_ids, doc_ids, values)
        return cls(*fields, name=name)

    @classmethod
    def from_dict(cls, scores: Mapping[str, Mapping[str, float]], *, name: str = "run") -> Self:
        """Make a run from ``{query: {document: score}}``; a query without documents is left out."""
        return cls.from_columns(*flatten(scores), name=name)

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Self:
        """Read a TREC run, ``qid Q0 docid rank score tag``; the score, not the rank, orders it, as in trec_eval.

        A file of three columns is a run in MS MARCO's format, ``qid pid rank``; the scores are the negative ranks.

        Args:
            path: File to read, plain or ``.gz``.
            name: Name of the system (default: the tag on the first line, or ``run``).

        Raises:
            InputError: The file cannot be read or is empty, or a line has a wrong number of columns, a score that is
                not a finite number, or a document that its query has already. The message has the file and the line.
        """
        fields, ranks, tag = read_run(path)
        return cls(*fields, name=name or tag, ranks=ranks)

    @property
    def scores(self) -> NDArray[np.float32]:
        """The scores. (N,)."""
        return self.values

    def __getitem__(self, query_id: str) -> tuple[Strings, NDArray[np.float32]]:
        """Return the documents of a query and their scores, best first, each (n,)."""
        rows = self.rows(query_id)
        return self.doc_ids[rows], self.scores[rows]

    def top(self, k: int) -> Self:
        """Return a run with the first ``k`` documents of every query; ``k`` is at least 1."""
        if type(k) is bool or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"top {k!r} documents; expected at least 1, as a whole number")
        kept = self.places < k
        offsets = np.concatenate(([0], np.cumsum(np.minimum(np.diff(self.offsets), k))))
        return type(self)(self.query_ids, offsets, self.docs[kept], self.scores[kept], self.name)

    def by_rank(self) -> Self | None:
        """Return the run ordered by the rank column of its file; None if the order is the same or there are no ranks.

        trec_eval ignores the rank column, but some tools, and so some published figures, order by it. Documents of
        equal rank keep their order; the scores of the new run are 0, -1, -2 and so on.
        """
        if self.ranks is None:
            return None
        contradicting = np.flatnonzero((self.ranks[1:] < self.ranks[:-1]) & (self.places[1:] > 0))
        if not len(contradicting):
            return None
        docs = self.docs.copy()
        for query in np.unique(self.codes[contradicting]):
            rows = slice(self.offsets[query], self.offsets[query + 1])
            docs[rows] = docs[rows][np.argsort(self.ranks[rows], kind="stable")]
        return replace(self, docs=docs, values=-self.places.astype(np.float32), ranks=None)

    def write(self, path: str | Path) -> None:
        """Write a TREC run, gzipped if ``path`` ends in ``.gz``; `read` returns an equal run.

        Whitespace in the name becomes ``_``. The file appears once it is complete.
        """
        tag = "_".join(self.name.split()) or "run"
        with atomic_write(path) as file:
            file.write(guard(next(iter(self), "")))
            for query_id in self:
                docs, scores = self[query_id]
                # numpy prints the shortest decimal that reads back as the same float32
                rows = enumerate(zip(docs.tolist(), scores.astype(np.str_).tolist(), strict=True), 1)
                file.writelines(f"{query_id} Q0 {doc_id} {rank} {score} {tag}\n" for rank, (doc_id, score) in rows)
