"""Folders in BEIR's layout (Thakur et al. 2021): ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``."""

from pathlib import Path

from ir_eval.collections.collection import Collection, judged_topics
from ir_eval.collections.readers import FileDocuments, find_file, json_record, read_records
from ir_eval.data.qrels import Qrels
from ir_eval.errors import InputError

_DEFAULT_SPLITS = ("test", "dev")  # in this order; training judgements must be asked for


def open_beir(folder: Path, *, split: str | None = None) -> Collection:
    """Open a folder in BEIR's layout; every file may be ``.gz``.

    Args:
        folder: Folder with ``corpus.jsonl``.
        split: Name of ``qrels/SPLIT.tsv``; by default the only one, else ``test``, else ``dev``.

    Raises:
        InputError: A file is missing or malformed, the split does not exist, or a split must be chosen.

    Example:
        >>> open_beir(Path("collection")).split
        'test'
    """
    corpus, queries = find_file(folder, "corpus.jsonl"), find_file(folder, "queries.jsonl")
    if corpus is None or queries is None:
        missing = "corpus.jsonl" if corpus is None else "queries.jsonl"
        raise InputError(f"{folder}: no {missing}; expected corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; add it")
    files = sorted(path for path in (folder / "qrels").glob("*") if path.name.endswith((".tsv", ".tsv.gz")))
    splits = {path.name.removesuffix(".gz").removesuffix(".tsv"): path for path in files}
    chosen = _choose(folder, splits, split)
    qrels = Qrels.read(splits[chosen])
    topics = judged_topics(str(queries), dict(read_records(queries, json_record)), qrels)
    return Collection(folder.resolve().name, chosen, topics, qrels, FileDocuments(corpus, json_record))


def _choose(folder: Path, splits: dict[str, Path], split: str | None) -> str:
    if not splits:
        raise InputError(f"{folder}: no qrels/*.tsv; expected one file of judgements per split; add it")
    names = ", ".join(splits)
    if split is not None:
        if split not in splits:
            raise InputError(f"{folder}: no split '{split}'; expected one of: {names}")
        return split
    if len(splits) == 1:
        return next(iter(splits))
    default = next((name for name in _DEFAULT_SPLITS if name in splits), None)
    if default is None:
        raise InputError(f"{folder}: {len(splits)} splits; expected a choice; give one of: {names}")
    return default
