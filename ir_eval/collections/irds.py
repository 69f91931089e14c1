"""Every data set of ir_datasets (MacAvaney et al. 2021) by its id, loaded by that library's own code."""

import difflib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, ClassVar

from ir_eval.cache import content_key, file_key
from ir_eval.collections.collection import Collection, judged_topics
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError

# What ir_datasets lets through of a file that is missing, cut short or malformed
FAILURES = (OSError, EOFError, RuntimeError, UnicodeDecodeError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class IrDatasetsDocuments:
    """The documents of an ir_datasets id, downloaded on first use; look-ups go through its document store.

    The fingerprint is the hash of the source file's bytes; for the few data sets that are not one file, of every id
    and text. The id alone would not do: a mirror may hold a sample of the collection under the same id.
    """

    dataset_id: str
    dataset: Any
    local: ClassVar[bool] = False  # ir_datasets does not say

    @cached_property
    def fingerprint(self) -> str:
        """A key of the documents' content."""
        if hasattr(self.dataset, "docs_path"):
            with _explained(self.dataset_id, "documents"):
                path = Path(self.dataset.docs_path())
                if path.is_file():
                    return content_key("ir_datasets", file_key(path))
        return reduce(lambda key, document: content_key(key, *document), self, "ir_datasets")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield ``(document id, text)`` in the data set's order."""
        with _explained(self.dataset_id, "documents"):
            for document in self.dataset.docs_iter():
                yield document.doc_id, document.default_text().strip()

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist."""
        with _explained(self.dataset_id, "documents"):
            found = self.dataset.docs_store().get_many(list(doc_ids))
        return {doc_id: document.default_text().strip() for doc_id, document in found.items()}


def open_ir_datasets(dataset_id: str, *, split: str | None = None) -> Collection:
    """Open an ir_datasets id such as ``msmarco-passage/trec-dl-2019/judged``.

    Files are looked for under ``$IR_DATASETS_HOME`` (read when ir_datasets is first imported) before they are
    downloaded. Topics and judgements are read at once, documents when they are asked for.

    Args:
        dataset_id: The id.
        split: Appended to the id: ``beir/scifact`` and ``test`` is ``beir/scifact/test``.

    Raises:
        InputError: The id is unknown or has no documents or queries, or a file is neither there nor to be had.
    """
    if split is not None:
        dataset_id = f"{dataset_id}/{split}"
    documents = _load(dataset_id)
    dataset = documents.dataset
    judged: dict[str, dict[str, int]] = {}
    if dataset.has_qrels():  # before the queries: ".../judged" asks for them to select its queries
        with _explained(dataset_id, "judgements"):
            for judgement in dataset.qrels_iter():
                judged.setdefault(judgement.query_id, {})[judgement.doc_id] = judgement.relevance
    with _explained(dataset_id, "queries"):
        topics = {query.query_id: query.default_text() for query in dataset.queries_iter()}
    qrels = Qrels.from_dict(judged) if judged else None
    if qrels is not None:
        topics = judged_topics(dataset_id, topics, qrels)
    return Collection(dataset_id, split, topics, qrels, documents)


def _load(dataset_id: str) -> IrDatasetsDocuments:
    import ir_datasets

    known = list(ir_datasets.registry)
    try:
        dataset = ir_datasets.load(dataset_id)
    except KeyError:
        close = difflib.get_close_matches(dataset_id, [*known, "python-docs"], n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(
            f"{dataset_id}: no such collection; expected a folder, python-docs or an ir_datasets id{hint}"
        ) from None
    if not (dataset.has_docs() and dataset.has_queries()):
        parts = [name for name in known if name.startswith(f"{dataset_id}/") and ir_datasets.load(name).has_queries()]
        raise InputError(
            f"{dataset_id}: an ir_datasets id without documents or without queries; expected both; "
            f"give one of its parts: {', '.join(parts[:8]) or 'it has none'}"
        )
    return IrDatasetsDocuments(dataset_id, dataset)


@contextmanager
def _explained(dataset_id: str, part: str) -> Iterator[None]:
    """Turn what ir_datasets lets through into one line with the remedy."""
    try:
        yield
    except FAILURES as error:
        home = os.environ.get("IR_DATASETS_HOME", "~/.ir_datasets")
        said = error.args[0] if isinstance(error, RuntimeError) and error.args else error  # its causes fill a page
        reason = " ".join(str(said).split())[:200]
        raise InputError(
            f"{dataset_id}: ir_datasets has no {part} ({type(error).__name__}: {reason}); expected them under {home} "
            "or by download; connect to the network, or set IR_DATASETS_HOME to a folder that holds them"
        ) from error
