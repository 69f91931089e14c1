"""Measures with trec_eval's meaning. ``k`` is the cutoff; ``N`` is the least relevance that counts (``-l N``).

    ndcg[@k]            nDCG with linear gain                            -m ndcg, -m ndcg_cut.k
    map[@k][-lN]        average precision                                -m map, -m map_cut.k
    mrr[@k][-lN]        reciprocal rank                                  -m recip_rank, -M k -m recip_rank
    precision@k[-lN]    precision                                        -m P.k
    recall[@k][-lN]     recall                                           -m set_recall, -m recall.k
    r-precision[-lN]    precision at the number of relevant documents    -m Rprec
    success@k[-lN]      1 if the first k have a relevant document        -m success.k
    bpref[-lN]          bpref                                            -m bpref
    judged[@k]          share of judged documents                        none; Judged@k of ir_measures

A measure is computed for all queries at once, from the judged documents and their places in the ranking only.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.errors import MAX_COUNT, InputError, check_kind, shown

_SPELLING = re.compile(r"(?P<name>[a-z_-]+?)(@(?P<cutoff>-?[0-9]+))?(-l(?P<min_rel>-?[0-9]+))?")

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One measure, checked to exist and to take its options; `parse_measure` reads ``str(measure)`` back.

    Attributes:
        name: Name of the measure, such as ``ndcg``.
        cutoff: Number of documents from the top that count; None for all.
        min_rel: Least relevance that counts as relevant, trec_eval's ``-l``.

    Examples:
        >>> str(Measure("mrr", cutoff=10, min_rel=2))
        'mrr@10-l2'
    """

    name: str
    cutoff: int | None = None
    min_rel: int = 1

    def __post_init__(self) -> None:
        """Raise an InputError that lists the valid measures if this one is not among them."""
        check_kind("name of a measure", self.name, str)
        for value in (self.cutoff, self.min_rel):
            if type(value) is not int and (value is not None or self.min_rel is None):
                raise InputError(f"measure {shown(self.name)} with {shown(value)}; expected a whole number")
        definition = _DEFINITIONS.get(self.name)
        if definition is None:
            raise _refusal(str(self), "no such name")
        if self.cutoff is None and definition.cutoff == "needed":
            raise _refusal(str(self), "a cutoff is missing")
        if self.cutoff is not None and definition.cutoff == "none":
            raise _refusal(str(self), f"{self.name} takes no cutoff")
        if self.cutoff is not None and self.cutoff < 1:
            raise _refusal(str(self), "the cutoff is below 1")
        if max(self.cutoff or 1, self.min_rel) > MAX_COUNT:
            raise _refusal(self.name, f"a cutoff or relevance level above {MAX_COUNT:,}")
        if self.min_rel < 1:
            raise _refusal(str(self), "the relevance level is below 1")
        if self.min_rel > 1 and definition.no_level:
            raise _refusal(str(self), f"{self.name} takes no relevance level ({definition.no_level})")

    def __str__(self) -> str:
        """Return the spelling that `parse_measure` reads."""
        cutoff = "" if self.cutoff is None else f"@{self.cutoff}"
        return f"{self.name}{cutoff}" + ("" if self.min_rel == 1 else f"-l{self.min_rel}")


def parse_measure(text: str) -> Measure:
    """Read a measure such as ``ndcg@10`` or ``map-l2``, in upper or lower case.

    Examples:
        >>> parse_measure("mrr@10-l2")
        Measure(name='mrr', cutoff=10, min_rel=2)
    """
    check_kind("measure", text, str)
    spelled = _SPELLING.fullmatch(text.strip().lower())
    if spelled is None:
        raise _refusal(text, "not of the form name@k-lN with integers k and N")
    name, cutoff, min_rel = spelled["name"], spelled["cutoff"], spelled["min_rel"]
    if max(len(cutoff or ""), len(min_rel or "")) > len(str(MAX_COUNT)):  # int refuses 5,000 digits
        raise _refusal(text, f"a cutoff or relevance level above {MAX_COUNT:,}")
    return Measure(name, None if cutoff is None else int(cutoff), 1 if min_rel is None else int(min_rel))


class Judged(NamedTuple):
    """Judged documents in the order of a ranking, query by query.

    Attributes:
        query: Position of the query, ascending. (n,)
        place: Rank of the document from 0, ascending within a query. (n,)
        level: Relevance of the document. (n,)

    Examples:
        >>> judged = Judged(query=np.array([0, 0]), place=np.array([0, 3]), level=np.array([0, 2]))
        >>> judged.relevant(Measure("map")).place
        array([3])
    """

    query: NDArray[np.int64]
    place: NDArray[np.int64]
    level: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "Judged":
        """Return the chosen rows."""
        return Judged(*(column[chosen] for column in self))

    def relevant(self, measure: Measure, cutoff: bool = True) -> "Judged":
        """Return the relevant documents, by default only those above the measure's cutoff."""
        limit = measure.cutoff if cutoff and measure.cutoff else sys.maxsize
        return self.where((self.level >= measure.min_rel) & (self.place < limit))

    @property
    def before(self) -> NDArray[np.int64]:
        """The number of earlier rows of the same query. (n,)."""
        return np.arange(len(self.query)) - np.searchsorted(self.query, self.query)


@dataclass(frozen=True)
class JudgedRun:
    """The places of the judged documents in a run: all that a measure needs.

    Attributes:
        ideal: All judged documents, the most relevant first.
        found: Judged documents that the run contains, in its order.
        retrieved: Number of documents that the run has for each query. (Q,)

    Examples:
        >>> found = Judged(query=np.array([0]), place=np.array([1]), level=np.array([1]))
        >>> JudgedRun(ideal=found, found=found, retrieved=np.array([2])).compute(Measure("mrr"))
        array([0.5])
    """

    ideal: Judged
    found: Judged
    retrieved: NDArray[np.int64]

    def compute(self, measure: Measure) -> Scores:
        """Return the measure of every query. (Q,)."""
        return _DEFINITIONS[measure.name].compute(self, measure)

    def total(self, rows: Judged, weights: Scores | None = None) -> Scores:
        """Return the sum of the rows' weights (default: 1 each) for every query. (Q,)."""
        return np.bincount(rows.query, weights, minlength=len(self.retrieved)).astype(np.float64)

    def relevant(self, measure: Measure) -> Scores:
        """Return the number of relevant documents of every query. (Q,)."""
        return self.total(self.ideal.relevant(measure, cutoff=False))


class _Definition(NamedTuple):
    compute: Callable[[JudgedRun, Measure], Scores]
    cutoff: Literal["optional", "needed", "none"] = "optional"
    no_level: str = ""  # the reason if the measure takes no relevance level


def _ratio(part: Scores, whole: Scores) -> Scores:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _ndcg(run: JudgedRun, measure: Measure) -> Scores:
    """Compute DCG / ideal DCG, where DCG = Σ relevance / log2(place + 2) (Järvelin and Kekäläinen, TOIS 2002)."""

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
    """trec_eval's bpref (Buckley and Voorhees, SIGIR 2004); a negative relevance counts as unjudged."""
    judged = run.found.where(run.found.level >= 0)
    rows, relevant = judged.relevant(measure), run.relevant(measure)
    nonrelevant = run.total(run.ideal.where(run.ideal.level >= 0)) - relevant
    above = judged.before[judged.level >= measure.min_rel] - rows.before  # nonrelevant documents above each relevant
    most = np.maximum(1, np.minimum(relevant, nonrelevant))[rows.query]
    return _ratio(run.total(rows, 1 - np.minimum(above, relevant[rows.query]) / most), relevant)


def _judged(run: JudgedRun, measure: Measure) -> Scores:
    limit = measure.cutoff or sys.maxsize
    return _ratio(run.total(run.found.where(run.found.place < limit)), np.minimum(run.retrieved, limit).astype(float))


def _refusal(text: str, problem: str) -> InputError:
    cutoffs = {"optional": "[@k]", "needed": "@k", "none": ""}
    spellings = (name + cutoffs[row.cutoff] + ("" if row.no_level else "[-lN]") for name, row in _DEFINITIONS.items())
    return InputError(f"measure {shown(text)}: {problem}; expected one of {', '.join(spellings)}")


_DEFINITIONS = {
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
