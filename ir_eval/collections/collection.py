"""Collection: documents, topics and judgements, whatever the source."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ir_eval.cache import content_key, remembered
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError


class Documents(Protocol):
    """A source of documents; nothing is read or downloaded until it is used.

    Examples:
        >>> from ir_eval import open_collection
        >>> source = open_collection("collection").source
        >>> source.local, source.texts(["d2"])
        (True, {'d2': 'Gold is a metal.'})
    """

    @property
    def local(self) -> bool:
        """Whether the documents are certainly on this machine; if not, the first use may download them."""
        ...

    @property
    def fingerprint(self) -> str:
        """A key of the documents' content, independent of their path and of the topics."""
        ...

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield ``(document id, text)`` in the order of the source."""
        ...

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist."""
        ...


@dataclass(frozen=True)
class Collection:
    """A test collection: documents, topics and, if there are any, relevance judgements.

    The text of a document is its title and body, joined by one blank, as BEIR indexes it.

    Attributes:
        name: Name in reports: the folder's name, ``python-docs``, or the ir_datasets id.
        split: Name of the chosen judgements of a BEIR folder, else None.
        topics: Query text by query id, in file order. If there are judgements, only judged queries are topics, because
            no measure uses the others.
        qrels: Judgements, or None.
        source: Documents, read when they are needed.

    Examples:
        >>> from ir_eval import open_collection
        >>> collection = open_collection("collection")
        >>> len(list(collection.documents())), collection.texts(["d2"])
        (4, {'d2': 'Gold is a metal.'})
    """

    name: str
    split: str | None
    topics: dict[str, str]
    qrels: Qrels | None
    source: Documents

    @property
    def fingerprint(self) -> str:
        """A key of the documents' content, under which indexes are cached."""
        return self.source.fingerprint

    def judgements(self, purpose: str = "evaluate with") -> Qrels:
        """Return the judgements, or raise an InputError, in which ``purpose`` says what they are needed for."""
        if self.qrels is None:
            raise InputError(f"{self.name}: no judgements to {purpose}; expected qrels beside the queries; add them")
        return self.qrels

    def missing_judged(self) -> int:
        """Return how many judged documents the collection lacks; lacking all of them is an InputError.

        The first call reads all documents; the cache keeps the number.
        """
        judged = dict.fromkeys(self.judgements().doc_ids.tolist())
        name = f"judged/{content_key(self.fingerprint, *judged)}"
        found = int(remembered(name, lambda: b"%d" % sum(doc_id in judged for doc_id, _ in self.documents())))
        if not found:
            raise InputError(
                f"{self.name}: none of the {len(judged)} judged documents is in the collection, the first is "
                f"'{next(iter(judged))}'; expected judgements of its documents; give the two that belong together"
            )
        return len(judged) - found

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield every ``(document id, text)``; a text may be empty. A collection without documents is an InputError."""
        empty = True
        for document in self.source:
            empty = False
            yield document
        if empty:
            raise InputError(f"{self.name}: no documents; expected at least one; check that the download is complete")

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return document id to text. A call may read the whole file, so ask for all documents in one call.

        Raises:
            InputError: A document is not in the collection.
        """
        wanted = dict.fromkeys(map(str, doc_ids))
        found = self.source.texts(wanted)
        missing = [doc_id for doc_id in wanted if doc_id not in found]
        if missing:
            raise InputError(
                f"{self.name}: {len(missing)} of {len(wanted)} documents asked for are not in the collection, "
                f"the first is '{missing[0]}'; give the run and the collection that belong together"
            )
        return found


def judged_topics(name: str, queries: dict[str, str], qrels: Qrels | None) -> dict[str, str]:
    """Return the judged queries in the order of ``queries``, or all of them if there are no judgements.

    Raises:
        InputError: A judged query has no text, and every measure would count it as 0; ``name`` is the queries' source.

    Examples:
        >>> judged_topics("queries.tsv", {"q1": "goldfish", "q2": "python"}, Qrels.from_dict({"q2": {"d3": 1}}))
        {'q2': 'python'}
    """
    if qrels is None:
        return queries
    missing = [query_id for query_id in qrels if query_id not in queries]
    if missing:
        raise InputError(
            f"{name}: {len(missing)} judged queries have no text, the first is '{missing[0]}'; "
            "expected one line for each in the queries file; give the queries that belong to these judgements"
        )
    return {query_id: text for query_id, text in queries.items() if query_id in qrels}
