"""Collections of ir_datasets (MacAvaney et al. 2021), by id."""

import difflib
import logging
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, ClassVar

from gemma_st.files import digest
from ir_eval.cache import content_key
from ir_eval.collections.collection import Collection, judged_topics
from ir_eval.data.qrels import Qrels
from ir_eval.data.text_files import broken_character, id_fault
from ir_eval.errors import InputError
from ir_eval.progress import announce

# Exceptions of ir_datasets if a file is missing, cut short or malformed
_FAILURES = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


def open_ir_datasets(dataset_id: str, *, split: str | None = None) -> Collection:
    """Open a collection by an ir_datasets id such as ``msmarco-passage/trec-dl-2019/judged``.

    ir_datasets looks for files under ``$IR_DATASETS_HOME``, which it reads when it is first imported, and downloads
    those that are missing: topics and judgements at once, documents when they are needed.

    Args:
        dataset_id: Id of the data set, with or without its last part.
        split: The last part of the id: ``beir/scifact`` and ``test`` stand for ``beir/scifact/test``.

    Raises:
        InputError: The id does not exist, the data set has no documents or queries, or a file is not there and cannot
            be downloaded.

    Examples:
        >>> open_ir_datasets("beir/scfact", split="test")
        Traceback (most recent call last):
        ir_eval.errors.InputError: beir/scfact/test: no such collection; ...; did you mean beir/scifact/test or ...?
    """
    if split is not None:
        dataset_id = f"{dataset_id}/{split}"
    with _messages_kept_back():
        documents = _load(dataset_id)
    dataset = documents.dataset
    judged: dict[str, dict[str, int]] = {}
    if dataset.has_qrels():  # before the queries: ".../judged" selects its queries by them
        with _explained(dataset_id, "judgements"):
            for judgement in dataset.qrels_iter():
                judged.setdefault(judgement.query_id, {})[judgement.doc_id] = judgement.relevance
    with _explained(dataset_id, "queries"):
        topics = dict(
            _checked(dataset_id, ((query.query_id, query.default_text()) for query in dataset.queries_iter()))
        )
    qrels = Qrels.from_dict(judged) if judged else None
    return Collection(dataset_id, split, judged_topics(dataset_id, topics, qrels), qrels, documents)


@dataclass(frozen=True)
class _IrDatasetsDocuments:
    """The documents of a data set of ir_datasets."""

    dataset_id: str
    dataset: Any
    local: ClassVar[bool] = False  # ir_datasets does not tell

    @cached_property
    def fingerprint(self) -> str:
        """A key of the source file's bytes or, if there are several files, of every id and text.

        The id would not do as a key: a mirror may hold a sample of the documents under the same id.
        """
        if hasattr(self.dataset, "docs_path"):
            with _explained(self.dataset_id, "documents"):
                path = Path(self.dataset.docs_path())
                if path.is_file():
                    return content_key("ir_datasets", digest(path))
        return reduce(lambda key, document: content_key(key, *document), self, "ir_datasets")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield ``(document id, text)`` in the order of the data set."""
        with _explained(self.dataset_id, "documents"):
            documents = ((document.doc_id, document.default_text().strip()) for document in self.dataset.docs_iter())
            yield from _checked(self.dataset_id, documents)

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist, from the document store of ir_datasets."""
        with _explained(self.dataset_id, "documents"):
            found = self.dataset.docs_store().get_many(list(doc_ids))
        return {doc_id: document.default_text().strip() for doc_id, document in found.items()}


def _checked(dataset_id: str, records: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield ids and texts; refuse an id that a TREC run cannot hold or that occurs twice, and half of a character."""
    seen: set[str] = set()
    for number, (record_id, text) in enumerate(records, 1):
        fault = id_fault(record_id) or broken_character(text)
        if fault or record_id in seen:
            fault = fault or f"id '{record_id}' a second time; expected it once"
            raise InputError(f"{dataset_id}: record {number}: {fault}; correct the file in IR_DATASETS_HOME")
        seen.add(record_id)
        yield record_id, text


@contextmanager
def _messages_kept_back() -> Iterator[None]:
    """Keep the log of ir_datasets back; if the block ends well, show it then, without the starts and ends of work."""
    logger, messages = logging.getLogger("ir_datasets"), list[str]()

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
    for message in messages:
        if not message.startswith("["):
            announce(message)


def _load(dataset_id: str) -> _IrDatasetsDocuments:
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
    return _IrDatasetsDocuments(dataset_id, dataset)


@contextmanager
def _explained(dataset_id: str, part: str) -> Iterator[None]:
    """Turn an exception of ir_datasets into an InputError with the remedy."""
    try:
        with _messages_kept_back():
            yield
    except InputError:
        raise
    except _FAILURES as error:
        home = os.environ.get("IR_DATASETS_HOME", "~/.ir_datasets")
        message = error.args[0] if isinstance(error, RuntimeError) and error.args else error  # without its long causes
        reason = " ".join(str(message).split())[:200]
        raise InputError(
            f"{dataset_id}: ir_datasets has no {part} ({type(error).__name__}: {reason}); expected them under {home} "
            "or by download; connect to the network, or set IR_DATASETS_HOME to a folder that holds them"
        ) from error
