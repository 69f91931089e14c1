"""Measures with trec_eval's meaning, spelled as in ranx: ``ndcg@10``, ``map-l2``, ``mrr@10-l2``.

A measure is one line of the table at the end, and computed for all queries at once. It looks only at the judged
documents, which are few, and where they stand in the ranking. ranx computes most of them too, but it compiles for half
a minute before it does, errs on ``bpref`` in edge cases, and takes ``ndcg@10-l2`` for a measure of trec_eval's.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.errors import InputError

_SPELLING = re.compile(r"(?P<name>[a-z_-]+?)(@(?P<cutoff>-?[0-9]+))?(-l(?P<min_rel>-?[0-9]+))?")

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One measure; ``str`` spells it so that `parse_measure` reads it back.

    Attributes:
        name: One of the table.
        cutoff: Only the first ``cutoff`` documents count, as in trec_eval's ``P_10`` or ``-M 10``; None for all.
        min_rel: The least relevance that counts as relevant, trec_eval's ``-l``.

    Raises:
        InputError: No such measure, or it does not take this cutoff or this level; lists what exists.
    """

    name: str
    cutoff: int | None = None
    min_rel: int = 1

    def __post_init__(self) -> None:
        """Check against the table."""
        definition = _TABLE.get(self.name)
        if definition is None:
            raise _refusal(str(self), "no such name")
        if self.cutoff is None and definition.cutoff == "needed":
            raise _refusal(str(self), "a cutoff is missing")
        if self.cutoff is not None and definition.cutoff == "none":
            raise _refusal(str(self), f"{self.name} takes no cutoff")
        if self.cutoff is not None and self.cutoff < 1:
            raise _refusal(str(self), "the cutoff is below 1")
        if self.min_rel < 1:
            raise _refusal(str(self), "the relevance level is below 1")
        if self.min_rel > 1 and definition.no_level:
            raise _refusal(str(self), f"{self.name} takes no relevance level ({definition.no_level})")

    def __str__(self) -> str:
        """Spell the measure."""
        cutoff = "" if self.cutoff is None else f"@{self.cutoff}"
        return f"{self.name}{cutoff}" + ("" if self.min_rel == 1 else f"-l{self.min_rel}")


def parse_measure(text: str) -> Measure:
    """Read a measure as `Measure` spells it, in upper or lower case.

    Raises:
        InputError: No such measure, or it does not take this cutoff or this level; lists what exists.
    """
    spelled = _SPELLING.fullmatch(text.strip().lower())
    if spelled is None:
        raise _refusal(text, "not of the form name@k-lN with integers k and N")
    name, cutoff, min_rel = spelled["name"], spelled["cutoff"], spelled["min_rel"]
    return Measure(name, None if cutoff is None else int(cutoff), 1 if min_rel is None else int(min_rel))


class Judged(NamedTuple):
    """Judged documents in the order of some ranking, query by query.

    Attributes:
        query: The number of the query, ascending. (n,)
        place: Where the document stands in the ranking, from 0, ascending within a query. (n,)
        level: Its relevance. (n,)
    """

    query: NDArray[np.int64]
    place: NDArray[np.int64]
    level: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "Judged":
        """Keep some rows."""
        return Judged(*(column[chosen] for column in self))

    def relevant(self, measure: "Measure", cutoff: bool = True) -> "Judged":
        """Keep what is relevant and, unless told otherwise, above the measure's cutoff."""
        limit = measure.cutoff if cutoff and measure.cutoff else sys.maxsize
        return self.where((self.level >= measure.min_rel) & (self.place < limit))

    @property
    def before(self) -> NDArray[np.int64]:
        """How many rows of the same query come before each. (n,)."""
        return np.arange(len(self.query)) - np.searchsorted(self.query, self.query)


@dataclass(frozen=True)
class JudgedRun:
    """A run as measures see it: where the judged documents of each judged query stand.

    Attributes:
        ideal: All judged documents, the most relevant first.
        found: Those that the run has, as it ranks them.
        retrieved: How many documents the run has for each query. (Q,)
    """

    ideal: Judged
    found: Judged
    retrieved: NDArray[np.int64]

    def compute(self, measure: Measure) -> Scores:
        """Return the measure of every query. (Q,)."""
        return _TABLE[measure.name].compute(self, measure)

    def total(self, rows: Judged, weights: Scores | None = None) -> Scores:
        """Sum weights, by default 1, of rows by query. (Q,)."""
        return np.bincount(rows.query, weights, minlength=len(self.retrieved)).astype(np.float64)

    def relevant(self, measure: Measure) -> Scores:
        """Count the relevant documents of every query. (Q,)."""
        return self.total(self.ideal.relevant(measure, cutoff=False))


Compute = Callable[[JudgedRun, Measure], Scores]


class _Definition(NamedTuple):
    compute: Compute
    cutoff: Literal["optional", "needed", "none"] = "optional"
    no_level: str = ""  # why a relevance level would be wrong


def _ratio(part: Scores, whole: Scores) -> Scores:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _ndcg(run: JudgedRun, measure: Measure) -> Scores:
    """Linear gain, as the nDCG of trec_eval (Järvelin and Kekäläinen, TOIS 2002)."""

    def dcg(ranking: Judged) -> Scores:
        rows = ranking.relevant(measure)
        return run.total(rows, rows.level / np.log2(rows.place + 2))

    return _ratio(dcg(run.found), dcg(run.ideal))


def _map(run: JudgedRun, measure: Measure) -> Scores:
    rows = run.found.relevant(measure)
    return _ratio(run.total(rows, (rows.before + 1) / (rows.place + 1)), run.relevant(measure))


def _mrr(run: JudgedRun, measure: Measure) -> Scores:
    rows = run.found.relevant(measure)
    first = rows.where(rows.before == 0)
    return run.total(first, 1 / (first.place + 1))


def _precision(run: JudgedRun, measure: Measure) -> Scores:
    return run.total(run.found.relevant(measure)) / (measure.cutoff or 1)


def _recall(run: JudgedRun, measure: Measure) -> Scores:
    return _ratio(run.total(run.found.relevant(measure)), run.relevant(measure))


def _r_precision(run: JudgedRun, measure: Measure) -> Scores:
    rows, relevant = run.found.relevant(measure), run.relevant(measure)
    return _ratio(run.total(rows.where(rows.place < relevant[rows.query])), relevant)


def _success(run: JudgedRun, measure: Measure) -> Scores:
    return np.minimum(run.total(run.found.relevant(measure)), 1)


def _bpref(run: JudgedRun, measure: Measure) -> Scores:
    """trec_eval's bpref (Buckley and Voorhees, SIGIR 2004); a negative judgement counts as unjudged."""
    judged = run.found.where(run.found.level >= 0)
    rows, relevant = judged.relevant(measure), run.relevant(measure)
    nonrelevant = run.total(run.ideal.where(run.ideal.level >= 0)) - relevant
    above = judged.before[judged.level >= measure.min_rel] - rows.before  # nonrelevant before each relevant one
    most = np.maximum(1, np.minimum(relevant, nonrelevant))[rows.query]
    return _ratio(run.total(rows, 1 - np.minimum(above, relevant[rows.query]) / most), relevant)


def _judged(run: JudgedRun, measure: Measure) -> Scores:
    """Share of the first k documents that have a judgement, as Judged@k of ir_measures."""
    limit = measure.cutoff or sys.maxsize
    return _ratio(run.total(run.found.where(run.found.place < limit)), np.minimum(run.retrieved, limit).astype(float))


def _refusal(text: str, problem: str) -> InputError:
    cutoffs = {"optional": "[@k]", "needed": "@k", "none": ""}
    spellings = (name + cutoffs[row.cutoff] + ("" if row.no_level else "[-lN]") for name, row in _TABLE.items())
    return InputError(f"measure {text!r}: {problem}; expected one of {', '.join(spellings)}")


_TABLE = {
    "ndcg": _Definition(_ndcg, no_level="its gain is graded"),
    "map": _Definition(_map),
    "mrr": _Definition(_mrr),
    "precision": _Definition(_precision, cutoff="needed"),
    "recall": _Definition(_recall),
    "r-precision": _Definition(_r_precision, cutoff="none"),
    "success": _Definition(_success, cutoff="needed"),
    "bpref": _Definition(_bpref, cutoff="none"),
    "judged": _Definition(_judged, no_level="any judgement counts"),
}
