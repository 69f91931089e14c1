"""A ranking of documents for each query: what every stage takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir_eval.data.files import atomic_write, read_lines
from ir_eval.data.table import Strings, Table, flatten, group
from ir_eval.data.trec import Layout, Ranks, fields_of, read_table
from ir_eval.errors import InputError

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Run(Table):
    """Ranked documents with float32 scores, grouped by query, in trec_eval's order; immutable.

    Within a query the score descends, compared as float32; ties are ordered by document id, descending by bytes.
    A query has at least one document. Make one with `from_columns`, `from_dict` or `read`.

    Attributes:
        query_ids: Unique, sorted by code point. (Q,)
        offsets: Query ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1]``. (Q + 1,)
        docs: The document ids as they came; ``doc_ids`` has them as strings. (N,)
        values: The scores. (N,)
        name: Of the system; the tag in a TREC file. Not part of equality.
        ranks: What the rank column of the file says of each row, if it holds integers; only `by_rank` looks. (N,)
    """

    name: str = "run"
    ranks: Ranks | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        super().__post_init__()
        if self.ranks is not None:
            self.ranks.flags.writeable = False

    @classmethod
    def from_columns(cls, query_ids: ArrayLike, doc_ids: ArrayLike, scores: ArrayLike, *, name: str = "run") -> Self:
        """Make a run from rows in any order.

        Args:
            query_ids: Strings without whitespace. (N,)
            doc_ids: Strings without whitespace. (N,)
            scores: Finite, kept as float32. (N,)
            name: Of the system.

        Raises:
            InputError: No rows; columns of unequal length; an id that is not a string, is empty or has whitespace;
                a score that is not a number, or not finite as float32; a document twice for one query.
        """
        numbers = np.asarray(scores)
        if numbers.size and numbers.dtype.kind not in "iuf":
            raise InputError(f"scores of type {numbers.dtype}; expected numbers")
        with np.errstate(over="ignore"):
            values = numbers.astype(np.float32)
        parts, _ = group(query_ids, doc_ids, values)
        return cls(*parts, name=name)

    @classmethod
    def from_dict(cls, scores: Mapping[str, Mapping[str, float]], *, name: str = "run") -> Self:
        """Make a run from ``{query: {document: score}}``; a query without documents is left out.

        Raises:
            InputError: As `from_columns`.
        """
        return cls.from_columns(*flatten(scores), name=name)

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Self:
        """Read a TREC run: ``qid Q0 docid rank score tag``, plain or ``.gz``; the score orders it, as in trec_eval.

        Args:
            path: The file.
            name: Of the system; the tag on the first line if not given.

        Raises:
            InputError: With file and line: a wrong column count, a score that is not a finite number, a document
                twice for one query. With the file: it cannot be read or is empty.
        """
        parts, ranks = read_table(path, _LAYOUT)
        return cls(*parts, name=name or fields_of(next(read_lines(path))[1])[-1], ranks=ranks)

    @property
    def scores(self) -> NDArray[np.float32]:
        """The scores. (N,)."""
        return self.values

    def __getitem__(self, query_id: str) -> tuple[Strings, NDArray[np.float32]]:
        """Return the documents of a query and their scores, best first, each (n,).

        Raises:
            KeyError: The query has no documents; names it.
        """
        rows = self.rows(query_id)
        return self.doc_ids[rows], self.scores[rows]

    def top(self, k: int) -> Self:
        """Keep the first ``k`` documents of every query.

        Raises:
            InputError: ``k`` is below 1.
        """
        if k < 1:
            raise InputError(f"top {k} documents; expected at least 1")
        kept = self.places < k
        offsets = np.concatenate(([0], np.cumsum(np.minimum(np.diff(self.offsets), k))))
        return type(self)(self.query_ids, offsets, self.docs[kept], self.scores[kept], self.name)

    def by_rank(self) -> Self | None:
        """Return the run in the order of its file's rank column, or None if that is this order or says nothing.

        trec_eval ignores that column, other tools and so some published figures go by it. Where ranks are equal this
        order stays; the new scores only express the order.
        """
        if self.ranks is None:
            return None
        against = np.flatnonzero((self.ranks[1:] < self.ranks[:-1]) & (self.places[1:] > 0))
        if not len(against):
            return None
        docs = self.docs.copy()
        for query in np.unique(self.codes[against]):
            rows = slice(self.offsets[query], self.offsets[query + 1])
            docs[rows] = docs[rows][np.argsort(self.ranks[rows], kind="stable")]
        return replace(self, docs=docs, values=-self.places.astype(np.float32), ranks=None)

    def write(self, path: str | Path) -> None:
        """Write a TREC run, gzipped if ``path`` ends in ``.gz``; reading it gives an equal run.

        Whitespace in the name becomes ``_``. The file appears whole or not at all.
        """
        tag = "_".join(self.name.split()) or "run"
        with atomic_write(path) as file:
            for query_id in self:
                docs, scores = self[query_id]
                # numpy prints the shortest decimal that reads back as the same float32
                rows = enumerate(zip(docs.tolist(), scores.astype(np.str_).tolist(), strict=True), 1)
                file.writelines(f"{query_id} Q0 {doc_id} {rank} {score} {tag}\n" for rank, (doc_id, score) in rows)


def _parse_score(text: str) -> float:
    score = float(text)
    if not abs(score) <= _LARGEST:  # nor is NaN
        raise ValueError(text)
    return score


_LAYOUT = Layout(
    name="run",
    columns=("qid", "Q0", "docid", "rank", "score", "tag"),
    value="score",
    number="a finite 32-bit number",
    parse=_parse_score,
    dtype=np.float32,
)
