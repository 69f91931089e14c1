"""Lucene indexes: built from a collection, found in a folder, or downloaded by the names that Pyserini knows."""

import json
import sys
import tarfile
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any

from ir_eval.cache import content_key
from ir_eval.collections import Collection
from ir_eval.errors import InputError
from ir_eval.progress import announce, progress_bar
from ir_eval.retrieval import jvm
from ir_eval.retrieval.retriever import batches

DOCUMENTS_PER_CALL = 5000  # the progress bar moves, and Ctrl-C takes effect, between two calls of Java

_JAVA_BLANKS = "".join(map(chr, range(33)))  # what Java's trim removes: a document of nothing else is not indexed

# Prebuilt indexes without document vectors, and the format of the documents in them: feedback reads the documents.
RAW_DOCUMENTS = {
    **dict.fromkeys(("msmarco-v1-passage", "msmarco-v1-doc", "msmarco-v1-doc-segmented"), "JsonCollection"),
    **dict.fromkeys(("msmarco-v2-passage", "msmarco-v2-passage-augmented"), "MsMarcoV2PassageCollection"),
    **dict.fromkeys(("msmarco-v2-doc", "msmarco-v2-doc-segmented"), "MsMarcoV2DocCollection"),
}


def build_index(collection: Collection, folder: Path, *, vectors: bool, language: str = "en", threads: int = 1) -> None:
    """Index the documents without their texts and positions, which would only slow the search down.

    Args:
        collection: Documents to index.
        folder: Folder of the new index.
        vectors: Whether to store the term vector of each document, which feedback reads.
        language: Language of the documents, as a code of two letters.
        threads: Number of threads.

    Raises:
        InputError: A document cannot be read, or the index cannot be written.

    Examples:
        >>> from ir_eval import open_collection
        >>> build_index(open_collection("collection"), Path("index"), vectors=True, threads=1)
        >>> feedback_options(Path("index"), None)
        []
    """
    machine = jvm.start()
    from jnius import JavaException
    from pyserini.index.lucene import LuceneIndexer

    options = ["-index", str(folder.resolve()), "-memoryBuffer", "256", "-language", language]
    options += ["-storeDocvectors"] if vectors else []
    full, written, fault = 0, 0, ""  # documents with text, which Anserini indexes, and those that it did index
    machine.take_output()
    try:
        with closing(LuceneIndexer(args=options, threads=threads)) as indexer, progress_bar() as bar:
            task = bar.add_task(f"indexing {collection.name}", total=None)
            for batch in batches(collection.documents(), DOCUMENTS_PER_CALL):
                full += sum(bool(text.strip(_JAVA_BLANKS)) for _, text in batch)
                written += indexer.object.addRawDocuments(
                    [json.dumps({"id": doc_id, "contents": text}) for doc_id, text in batch]
                )
                bar.advance(task, len(batch))
    except JavaException as error:
        fault = str(error)
    # Anserini prints most failures, such as a full disk, and goes on.
    fault = fault or index_fault(folder, documents=full) or (f"{written} of {full} documents" if written < full else "")
    if fault:
        raise InputError(
            f"{folder.parent}: the index of {collection.name} cannot be written "
            f"({jvm.failure(machine.take_output()) or fault}); expected a writable folder with room for it; "
            "set IR_EVAL_CACHE to another folder, or free space"
        )


def index_fault(folder: Path, documents: int | None = None) -> str:
    """Return why an index cannot be used, or "": it does not open, or does not hold this number of documents.

    Examples:
        >>> from ir_eval import BM25, open_collection
        >>> index_fault(BM25(open_collection("collection")).index_path, documents=5)
        '4 documents; expected 5'
    """
    jvm.start()
    from jnius import JavaException
    from pyserini.pyclass import autoclass

    path = autoclass("java.io.File")(str(folder.resolve())).toPath()
    try:
        reader = autoclass("org.apache.lucene.index.DirectoryReader").open(
            autoclass("org.apache.lucene.store.FSDirectory").open(path)
        )
    except JavaException as error:
        return jvm.one_line(error)
    found = reader.numDocs()
    reader.close()
    return "" if documents in (None, found) else f"{found} documents; expected {documents}"


def given_key(index: str) -> str:
    """Return the cache key of an existing index; nothing is downloaded, and the index is not read in full.

    Args:
        index: Folder of a Lucene index, or name of a prebuilt index.

    Raises:
        InputError: There is no such index.

    Examples:
        >>> given_key("msmarco-v1-passage") == given_key("msmarco-v1-doc")
        False
    """
    if Path(index).is_dir():
        commits = sorted(Path(index).glob("segments_*"))  # they hold unique ids of all segments, which Lucene checks
        if not commits:
            raise InputError(f"{index}: no segments file; expected the folder of a Lucene index; check the path")
        return content_key("lucene folder", *(path.read_bytes() for path in commits))
    return content_key("lucene prebuilt", _prebuilt(index)["md5"])


def given_path(index: str) -> Path:
    """Return the folder of an existing index, named as for `given_key`.

    Pyserini downloads a prebuilt index on first use, checks size and MD5, and keeps it under ``$PYSERINI_CACHE``
    (default: ``~/.cache/pyserini``).

    Raises:
        InputError: There is no such index, or the download failed.

    Examples:
        >>> from ir_eval import BM25, open_collection
        >>> built = BM25(open_collection("collection")).index_path
        >>> given_path(str(built)) == built
        True
    """
    if Path(index).is_dir():
        return Path(index)
    size = _prebuilt(index)["size compressed (bytes)"]
    from pyserini.util import check_downloaded, download_prebuilt_index, get_cache_home

    if not check_downloaded(index):
        announce(f"{index}: downloading an index of {size / 1e6:,.1f} MB (packed) to {get_cache_home()}")
    with ExitStack() as quiet:
        quiet.enter_context(redirect_stdout(StringIO()))
        if not sys.stderr.isatty():  # show Pyserini's progress bar on a terminal only, like our own
            quiet.enter_context(redirect_stderr(StringIO()))
        try:
            return Path(download_prebuilt_index(index, verbose=False))
        except (OSError, ValueError, AssertionError, tarfile.TarError) as error:
            raise InputError(
                f"{index}: cannot be downloaded ({' '.join(str(error).split())}); expected {size:,} bytes from the "
                "network; try again, or give the folder of an index"
            ) from error


def feedback_options(path: Path, index: str | None) -> list[str]:
    """Return the Anserini options that say where feedback finds the terms of a document.

    An index that holds document vectors needs no option. ``index`` is its name if it is a prebuilt index.

    Raises:
        InputError: The index holds no document vectors, and is not known to hold the documents.

    Examples:
        >>> from ir_eval import BM25, open_collection
        >>> feedback_options(BM25(open_collection("collection")).index_path, "msmarco-v1-passage")
        ['-collection', 'JsonCollection']
    """
    from pyserini.pyclass import autoclass

    searcher = autoclass("io.anserini.search.SimpleSearcher")(str(path.resolve()))
    fields = autoclass("org.apache.lucene.index.FieldInfos").getMergedFieldInfos(searcher.reader)
    vectors = fields.hasVectors()  # of any document; the first document may be empty and have none
    searcher.close()
    if vectors:
        return []
    if index not in RAW_DOCUMENTS:
        raise InputError(
            f"{path}: an index without document vectors; expected them for feedback; index with -storeDocvectors"
        )
    return ["-collection", RAW_DOCUMENTS[index]]


def _prebuilt(name: str) -> dict[str, Any]:
    jvm.start()
    from pyserini.prebuilt_index_info import TF_INDEX_INFO

    if name not in TF_INDEX_INFO:
        close = get_close_matches(name, TF_INDEX_INFO, 5, 0.3) or list(TF_INDEX_INFO)[:5]
        raise InputError(
            f"index {name!r}: no such folder, and not one of Pyserini's {len(TF_INDEX_INFO)} prebuilt indexes; "
            f"the closest are {', '.join(close)}"
        )
    info: dict[str, Any] = TF_INDEX_INFO[name]
    return info
