"""The noun every source of test collections is turned into."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError


class Documents(Protocol):
    """Where the documents of a collection come from; reads nothing until it is asked."""

    @property
    def local(self) -> bool:
        """Whether they are on this machine for sure; else the first question may download them."""
        ...

    @property
    def fingerprint(self) -> str:
        """A key of the documents' content, the same whatever their path and whichever topics go with them."""
        ...

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield ``(document id, text)`` in the source's own order."""
        ...

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist."""
        ...


@dataclass(frozen=True)
class Collection:
    """A test collection: documents, topics and, where there are any, relevance judgements.

    A document's text is its title and its body joined by one blank, as BEIR indexes it.

    Attributes:
        name: Shown in reports: the folder's name, ``python-docs``, or the ir_datasets id.
        split: Which judgements of a BEIR folder were chosen, else None.
        topics: Query id to query text, in file order. With judgements only the judged queries are topics: searching
            the others would be wasted work, since no measure sees them.
        qrels: The judgements, or None.
        source: The documents, read when asked for.
    """

    name: str
    split: str | None
    topics: dict[str, str]
    qrels: Qrels | None
    source: Documents

    @property
    def fingerprint(self) -> str:
        """A key of the documents' content: what an index of them is cached under."""
        return self.source.fingerprint

    def judgements(self, purpose: str = "evaluate with") -> Qrels:
        """Return the judgements where there must be some.

        Args:
            purpose: What they are for, in the error's words.

        Raises:
            InputError: The collection has none.
        """
        if self.qrels is None:
            raise InputError(f"{self.name}: no judgements to {purpose}; expected qrels beside the queries; add them")
        return self.qrels

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield every ``(document id, text)``; an empty text is legal, an empty collection is not.

        Raises:
            InputError: There is no document, or one cannot be read; names the file and the line.
        """
        empty = True
        for document in self.source:
            empty = False
            yield document
        if empty:
            raise InputError(f"{self.name}: no documents; expected at least one; check that the download is complete")

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Look documents up; files are read through once per call, so ask for all of them together.

        Args:
            doc_ids: The documents wanted, repeats allowed.

        Returns:
            Document id to text.

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


def judged_topics(name: str, queries: dict[str, str], qrels: Qrels) -> dict[str, str]:
    """Keep the judged queries, in the order of ``queries``.

    Raises:
        InputError: A judged query has no text: every measure would silently count it as a failure.
    """
    missing = [query_id for query_id in qrels if query_id not in queries]
    if missing:
        raise InputError(
            f"{name}: {len(missing)} judged queries have no text, the first is '{missing[0]}'; "
            "expected one line for each in the queries file; give the queries that belong to these judgements"
        )
    return {query_id: text for query_id, text in queries.items() if query_id in qrels}
