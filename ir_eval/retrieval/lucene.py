"""Lucene indexes: built from a collection, found in a folder, or downloaded by the names Pyserini knows."""

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
from ir_eval.retrieval.search_batches import batches

DOCUMENTS_AT_ONCE = 5000  # between two of these the bar moves and Ctrl-C is heard

# Prebuilt indexes without document vectors keep the documents instead, in these forms, as in pyserini's set_rm3.
RAW_DOCUMENTS = {
    **dict.fromkeys(("msmarco-v1-passage", "msmarco-v1-doc", "msmarco-v1-doc-segmented"), "JsonCollection"),
    **dict.fromkeys(("msmarco-v2-passage", "msmarco-v2-passage-augmented"), "MsMarcoV2PassageCollection"),
    **dict.fromkeys(("msmarco-v2-doc", "msmarco-v2-doc-segmented"), "MsMarcoV2DocCollection"),
}


def build_index(collection: Collection, folder: Path, *, vectors: bool, threads: int) -> None:
    """Index the documents without their texts and positions: both would only slow a search down.

    Args:
        collection: What is indexed.
        folder: Where to.
        vectors: Whether to keep each document's words too, which feedback reads.
        threads: How many index at once.

    Raises:
        InputError: Java cannot start, or a document cannot be read.
    """
    jvm.start()
    from pyserini.index.lucene import LuceneIndexer

    options = ["-index", str(folder), "-memoryBuffer", "256", *(["-storeDocvectors"] if vectors else [])]
    with closing(LuceneIndexer(args=options, threads=threads)) as indexer, progress_bar() as bar:
        task = bar.add_task(f"indexing {collection.name}", total=None)
        for batch in batches(collection.documents(), DOCUMENTS_AT_ONCE):
            indexer.add_batch_raw([json.dumps({"id": doc_id, "contents": text}) for doc_id, text in batch])
            bar.advance(task, len(batch))


def given_key(index: str) -> str:
    """Return a content key of an index that was built elsewhere, without reading it through or downloading it.

    Args:
        index: A folder, else the name of a prebuilt index.

    Raises:
        InputError: It is neither.
    """
    if Path(index).is_dir():
        # Lucene gives every segment and every commit an id of its own, and checks them when it opens the files.
        commits = sorted(Path(index).glob("segments_*"))
        if not commits:
            raise InputError(f"{index}: no segments file; expected the folder of a Lucene index; check the path")
        return content_key("lucene folder", *(path.read_bytes() for path in commits))
    return content_key("lucene prebuilt", _prebuilt(index)["md5"])


def given_path(index: str) -> Path:
    """Return the folder of an index that was built elsewhere; a prebuilt one is downloaded by Pyserini, once.

    Pyserini keeps it under ``$PYSERINI_CACHE``, else ``~/.cache/pyserini``, and checks size and MD5.

    Args:
        index: A folder, else the name of a prebuilt index.

    Raises:
        InputError: It is neither, or the download failed.
    """
    if Path(index).is_dir():
        return Path(index)
    size = _prebuilt(index)["size compressed (bytes)"]
    from pyserini.util import check_downloaded, download_prebuilt_index, get_cache_home

    if not check_downloaded(index):
        announce(f"{index}: downloading an index of {size / 1e6:,.1f} MB (packed) to {get_cache_home()}")
    with ExitStack() as quiet:
        quiet.enter_context(redirect_stdout(StringIO()))
        if not sys.stderr.isatty():  # its bar shows on a terminal only, as ours
            quiet.enter_context(redirect_stderr(StringIO()))
        try:
            return Path(download_prebuilt_index(index, verbose=False))
        except (OSError, ValueError, AssertionError, tarfile.TarError) as error:
            raise InputError(
                f"{index}: cannot be downloaded ({' '.join(str(error).split())}); expected {size:,} bytes from the "
                "network; try again, or give the folder of an index"
            ) from error


def feedback_options(path: Path, index: str | None) -> list[str]:
    """Tell Anserini where feedback finds the words of a document: by default in the vectors that an index holds.

    Raises:
        InputError: The index holds neither vectors nor, as far as is known, documents.
    """
    from pyserini.pyclass import autoclass

    searcher = autoclass("io.anserini.search.SimpleSearcher")(str(path))
    fields = autoclass("org.apache.lucene.index.FieldInfos").getMergedFieldInfos(searcher.reader)
    vectors = fields.hasVectors()  # of any document: the first may be empty and have none
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
            f"index {name!r}: no such folder, and none of Pyserini's {len(TF_INDEX_INFO)} prebuilt indexes; "
            f"the closest are {', '.join(close)}"
        )
    info: dict[str, Any] = TF_INDEX_INFO[name]
    return info
