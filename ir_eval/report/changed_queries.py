"""The queries that a system helps and hurts most, compared with the baseline, and the top documents of both."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ir_eval.evaluation.significance import paired_differences
from ir_eval.experiment import CollectionOutcome, SystemOutcome
from ir_eval.report.plots import UNJUDGED

MAX_QUERIES = 5  # helped, and the same number hurt
MAX_DOCUMENTS = 5
MAX_CHARACTERS = 300


class _Document(NamedTuple):
    """A document as the report shows it."""

    doc_id: str
    level: int | None  # relevance grade, or None if the document was not judged
    elsewhere: int | None  # rank, from 1, in the other run; None if it is not in that run
    text: str | None  # first characters; None if the text is not on this machine, or left out


class _ChangedQuery(NamedTuple):
    """A query that a system helps or hurts."""

    query_id: str
    text: str
    baseline: float  # score of the baseline
    system: float
    before: tuple[_Document, ...]  # top documents of the baseline
    after: tuple[_Document, ...]  # top documents of the system


def changed_queries(
    outcome: CollectionOutcome, measure: str, baseline: str
) -> dict[str, dict[str, tuple[_ChangedQuery, ...]]]:
    """Return the `MAX_QUERIES` queries that each system helps most against the baseline, and those it hurts most.

    Returns:
        For each other system ``{"Helped": queries, "Hurt": queries}``, the largest change of the measure first.

    Examples:
        >>> from ir_eval.experiment import run_experiment, single
        >>> experiment = single("collection", first_stage="bm25.trec", rerankers=("reranker",))
        >>> list(changed_queries(run_experiment(experiment).outcomes[0], "mrr@10", "bm25"))
        ['reranker']
    """
    systems = {system.run.name: system for system in outcome.systems}
    first = systems.pop(baseline)
    chosen = {name: _most_changed(first, system, measure) for name, system in systems.items()}
    shown = {
        doc_id
        for name, kinds in chosen.items()
        for query_id in (*kinds["Helped"], *kinds["Hurt"])
        for system in (first, systems[name])
        for doc_id in _ranked(system, query_id)[:MAX_DOCUMENTS]
    }
    texts = outcome.collection.source.texts(sorted(shown)) if outcome.texts else {}  # one reading for all systems

    def query(system: SystemOutcome, query_id: str) -> _ChangedQuery:
        place = np.flatnonzero(system.evaluation.query_ids == query_id)[0]
        before, after = _ranked(first, query_id), _ranked(system, query_id)
        return _ChangedQuery(
            query_id,
            outcome.collection.topics.get(query_id, ""),
            float(first.evaluation.per_query[measure][place]),
            float(system.evaluation.per_query[measure][place]),
            _documents(outcome, query_id, before, after, texts),
            _documents(outcome, query_id, after, before, texts),
        )

    return {
        name: {kind: tuple(query(systems[name], query_id) for query_id in ids) for kind, ids in kinds.items()}
        for name, kinds in chosen.items()
    }


def _most_changed(baseline: SystemOutcome, system: SystemOutcome, measure: str) -> dict[str, list[str]]:
    """Return the ids of the queries helped and hurt most; ties are in the order of the query ids."""
    gains = paired_differences(system.evaluation.per_query[measure], baseline.evaluation.per_query[measure])
    query_ids = system.evaluation.query_ids.tolist()
    return {
        kind: [query_ids[place] for place in np.argsort(-change, kind="stable")[:MAX_QUERIES] if change[place] > 0]
        for kind, change in (("Helped", gains), ("Hurt", -gains))
    }


def _ranked(system: SystemOutcome, query_id: str) -> list[str]:
    return system.run[query_id][0].tolist() if query_id in system.run else []


def _documents(
    outcome: CollectionOutcome, query_id: str, ranked: Sequence[str], other: Sequence[str], texts: dict[str, str]
) -> tuple[_Document, ...]:
    judged = outcome.qrels[query_id]
    ranks = {doc_id: rank for rank, doc_id in enumerate(other, 1)}
    return tuple(
        _Document(
            doc_id,
            None if (level := judged.get(doc_id, UNJUDGED)) <= UNJUDGED else level,
            ranks.get(doc_id),
            _beginning(texts[doc_id]) if doc_id in texts else None,
        )
        for doc_id in ranked[:MAX_DOCUMENTS]
    )


def _beginning(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS].rstrip()} …"
