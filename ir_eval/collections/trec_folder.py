"""Folders in the layout of MS MARCO and TREC: ``passages.tsv``, ``queries.tsv``, ``qrels.txt``."""

from pathlib import Path

from ir_eval.collections.collection import Collection, judged_topics
from ir_eval.collections.readers import FileDocuments, find_file, read_records, tsv_record
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError


def open_trec_folder(folder: Path, *, split: str | None = None) -> Collection:
    r"""Open a folder with ``passages.tsv`` or ``collection.tsv``, ``queries.tsv`` and ``qrels.txt``.

    Passages and queries are lines of ``id \t text``. Every file may be ``.gz``. Without ``qrels.txt`` the collection
    can be searched but not evaluated. The layout has one set of judgements, so ``split`` must be None.

    Raises:
        InputError: A file is missing or malformed, or a split is given.

    Example:
        >>> Path("toy").mkdir()
        >>> for name in ("passages.tsv", "queries.tsv"):
        ...     _ = Path("toy", name).write_text("1\tdo goldfish grow\n")
        >>> open_trec_folder(Path("toy")).topics
        {'1': 'do goldfish grow'}
    """
    if split is not None:
        raise InputError(f"{folder}: split '{split}'; this layout has no splits; leave the split out")
    passages = find_file(folder, "passages.tsv", "collection.tsv")
    queries = find_file(folder, "queries.tsv")
    if passages is None or queries is None:
        missing = "passages.tsv or collection.tsv" if passages is None else "queries.tsv"
        raise InputError(
            f"{folder}: no {missing}; expected passages.tsv, queries.tsv and qrels.txt, "
            "or BEIR's corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; add it"
        )
    topics = dict(read_records(queries, tsv_record))
    judgements = find_file(folder, "qrels.txt")
    qrels = Qrels.read(judgements) if judgements else None
    if qrels is not None:
        topics = judged_topics(str(queries), topics, qrels)
    return Collection(folder.resolve().name, None, topics, qrels, FileDocuments(passages, tsv_record))
