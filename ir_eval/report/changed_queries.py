"""The queries that a system helps and hurts most against the baseline, with what each of them ranks first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir_eval.evaluation.significance import paired_differences
from ir_eval.experiment import Outcome, System
from ir_eval.report.plots import UNJUDGED

QUERIES = 5  # helped, and as many hurt
DOCUMENTS = 5
CHARACTERS = 300


@dataclass(frozen=True)
class Document:
    """A document as a reader of the report sees it.

    Attributes:
        doc_id: Its name in the collection.
        level: Its relevance, or None without a judgement.
        elsewhere: Its rank, from 1, in the other run; None if it is not there.
        text: The beginning; None where it is not at hand, or left out.
    """

    doc_id: str
    level: int | None
    elsewhere: int | None
    text: str | None


@dataclass(frozen=True)
class Query:
    """A query on which a system and the baseline differ.

    Attributes:
        query_id: Its name in the collection.
        text: What was asked.
        baseline: The baseline's score.
        system: The system's score.
        before: What the baseline ranks first.
        after: What the system ranks first.
    """

    query_id: str
    text: str
    baseline: float
    system: float
    before: tuple[Document, ...]
    after: tuple[Document, ...]


@dataclass(frozen=True)
class Moved:
    """The queries of one system, at most `QUERIES` of each kind.

    Attributes:
        helped: The largest gain first.
        hurt: The largest loss first.
    """

    helped: tuple[Query, ...]
    hurt: tuple[Query, ...]


def most_moved(outcome: Outcome, measure: str, baseline: str) -> dict[str, Moved]:
    """Find the queries of every system but the baseline; documents are looked up once for all of them.

    Args:
        outcome: Of a collection.
        measure: One of those evaluated.
        baseline: One of the systems.
    """
    systems = {system.run.name: system for system in outcome.systems}
    first = systems.pop(baseline)
    chosen = {name: _extremes(first, system, measure) for name, system in systems.items()}
    shown = {
        doc_id
        for name, (helped, hurt) in chosen.items()
        for query_id in (*helped, *hurt)
        for system in (first, systems[name])
        for doc_id in _ranked(system, query_id)[:DOCUMENTS]
    }
    texts = outcome.collection.source.texts(sorted(shown)) if outcome.texts else {}

    def query(system: System, query_id: str) -> Query:
        place = np.flatnonzero(system.evaluation.query_ids == query_id)[0]
        before, after = _ranked(first, query_id), _ranked(system, query_id)
        return Query(
            query_id,
            outcome.collection.topics.get(query_id, ""),
            float(first.evaluation.per_query[measure][place]),
            float(system.evaluation.per_query[measure][place]),
            _documents(outcome, query_id, before, after, texts),
            _documents(outcome, query_id, after, before, texts),
        )

    return {
        name: Moved(*(tuple(query(systems[name], query_id) for query_id in queries) for queries in extremes))
        for name, extremes in chosen.items()
    }


def _extremes(baseline: System, system: System, measure: str) -> tuple[list[str], list[str]]:
    """Return the queries helped and hurt most; of equals, the first by id."""
    scores = (found.evaluation.per_query[measure] for found in (system, baseline))
    differences = paired_differences(*scores)
    query_ids = system.evaluation.query_ids
    order = np.argsort(-differences, kind="stable")
    helped = [place for place in order[:QUERIES] if differences[place] > 0]
    hurt = [place for place in np.argsort(differences, kind="stable")[:QUERIES] if differences[place] < 0]
    return [str(query_ids[place]) for place in helped], [str(query_ids[place]) for place in hurt]


def _ranked(system: System, query_id: str) -> list[str]:
    return system.run[query_id][0].tolist() if query_id in system.run else []


def _documents(
    outcome: Outcome, query_id: str, ranked: Sequence[str], other: Sequence[str], texts: dict[str, str]
) -> tuple[Document, ...]:
    judged = outcome.qrels[query_id]
    ranks = {doc_id: rank for rank, doc_id in enumerate(other, 1)}
    return tuple(
        Document(
            doc_id,
            None if (level := judged.get(doc_id, UNJUDGED)) <= UNJUDGED else level,
            ranks.get(doc_id),
            _beginning(texts[doc_id]) if doc_id in texts else None,
        )
        for doc_id in ranked[:DOCUMENTS]
    )


def _beginning(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS].rstrip()} …"
