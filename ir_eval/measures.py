"""Measures with trec_eval's meaning, spelled as in ranx: ``ndcg@10``, ``map-l2``, ``mrr@10-l2``.

A measure is one line of the table at the end. ranx computes those on which it agrees with trec_eval; the rest are here.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir_eval.errors import InputError

_SPELLING = re.compile(r"(?P<name>[a-z_-]+?)(@(?P<cutoff>-?[0-9]+))?(-l(?P<min_rel>-?[0-9]+))?")
_NUMBA = Lock()  # numba ends the process when two threads enter its parallel code at once


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


@dataclass(frozen=True)
class JudgedRun:
    """A run as measures see it: for each judged query, where the judged documents stand in the ranking.

    Attributes:
        relevance: Per query, the judged relevances, highest first, each (J,).
        ranking: Per query, for each retrieved document its index into ``relevance``, J if unjudged, each (n,).
    """

    relevance: list[NDArray[np.int64]]
    ranking: list[NDArray[np.int64]]

    def compute(self, measure: Measure) -> NDArray[np.float64]:
        """Return the measure of every query. (Q,)."""
        return _TABLE[measure.name].compute(self, measure)

    @cached_property
    def for_ranx(self) -> tuple[Any, Any]:
        """The judgements as (J, 2) arrays of document and relevance, the rankings as (n, 1) arrays of documents."""
        from numba.typed import List

        judgements = [np.column_stack((np.arange(len(levels)), levels)).astype(np.float64) for levels in self.relevance]
        return List(judgements), List([documents.astype(np.float64)[:, np.newaxis] for documents in self.ranking])


Compute = Callable[[JudgedRun, Measure], NDArray[np.float64]]


class _Definition(NamedTuple):
    compute: Compute
    cutoff: Literal["optional", "needed", "none"] = "optional"
    no_level: str = ""  # why a relevance level would be wrong


def _ranx(function: str) -> Compute:
    def compute(run: JudgedRun, measure: Measure) -> NDArray[np.float64]:
        import ranx.metrics
        from numba.core.errors import NumbaTypeSafetyWarning

        judgements, rankings = run.for_ranx
        with _NUMBA, warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaTypeSafetyWarning)  # of ranx's loop counters, when first compiled
            scores = getattr(ranx.metrics, function)(judgements, rankings, measure.cutoff or 0, measure.min_rel)
        return np.asarray(scores, dtype=np.float64)

    return compute


def _each(one: Callable[[NDArray[np.int64], NDArray[np.int64], Measure], float]) -> Compute:
    def compute(run: JudgedRun, measure: Measure) -> NDArray[np.float64]:
        return np.array([one(*query, measure) for query in zip(run.relevance, run.ranking, strict=True)])

    return compute


def _bpref(relevance: NDArray[np.int64], ranking: NDArray[np.int64], measure: Measure) -> float:
    """trec_eval's bpref (Buckley and Voorhees, SIGIR 2004); a negative judgement counts as unjudged."""
    judged = np.append(relevance, -1)[ranking]
    relevant = judged[judged >= 0] >= measure.min_rel
    num_rel = int(np.sum(relevance >= measure.min_rel))
    num_nonrel = int(np.sum(relevance >= 0)) - num_rel
    above = np.minimum(np.cumsum(~relevant)[relevant], num_rel)  # nonrelevant before each relevant one
    return float(np.sum(1 - above / max(1, min(num_rel, num_nonrel))) / max(1, num_rel))


def _judged(relevance: NDArray[np.int64], ranking: NDArray[np.int64], measure: Measure) -> float:
    """Share of the first k documents that have a judgement, as Judged@k of ir_measures."""
    top = ranking[: measure.cutoff]
    return float(np.mean(top < len(relevance))) if len(top) else 0.0


def _refusal(text: str, problem: str) -> InputError:
    cutoffs = {"optional": "[@k]", "needed": "@k", "none": ""}
    spellings = (name + cutoffs[row.cutoff] + ("" if row.no_level else "[-lN]") for name, row in _TABLE.items())
    return InputError(f"measure {text!r}: {problem}; expected one of {', '.join(spellings)}")


_TABLE = {
    "ndcg": _Definition(_ranx("ndcg"), no_level="its gain is graded"),
    "map": _Definition(_ranx("average_precision")),
    "mrr": _Definition(_ranx("reciprocal_rank")),
    "precision": _Definition(_ranx("precision"), cutoff="needed"),
    "recall": _Definition(_ranx("recall")),
    "r-precision": _Definition(_ranx("r_precision"), cutoff="none"),
    "success": _Definition(_ranx("hit_rate"), cutoff="needed"),
    "bpref": _Definition(_each(_bpref), cutoff="none"),
    "judged": _Definition(_each(_judged), no_level="any judgement counts"),
}
