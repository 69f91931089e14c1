"""Collections in a folder: BEIR's layout (Thakur et al. 2021), or that of MS MARCO and TREC."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from gemma_st.files import digest
from ir_eval.cache import content_key
from ir_eval.collections.collection import Collection, judged_topics
from ir_eval.data.qrels import Qrels
from ir_eval.data.text_files import broken_character, file_state, id_fault, read_lines, unchanged
from ir_eval.errors import InputError

_Record = tuple[str, str]  # id, text
_Parse = Callable[[str], _Record]  # reads one line of a file

_DEFAULT_SPLITS = ("test", "dev.small", "dev")  # in this order; training judgements must be asked for
_SPLIT_FILE = re.compile(r"(queries|qrels)\.(.+?)\.(?:tsv|txt)(?:\.gz)?")  # of MS MARCO, such as qrels.dev.small.tsv


def open_folder(folder: Path, *, split: str | None = None) -> Collection:
    r"""Open a folder in BEIR's layout if it has ``corpus.jsonl``, else in TREC's. Every file may be ``.gz``.

    BEIR's layout is ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``. TREC's is ``passages.tsv`` or
    ``collection.tsv``, ``queries.tsv`` and ``qrels.txt``, with lines of ``id \t text``; without ``qrels.txt`` the
    collection can be searched but not evaluated. MS MARCO's own names, ``queries.dev.small.tsv`` and
    ``qrels.dev.small.tsv``, are splits of TREC's layout.

    Args:
        folder: Folder with the files.
        split: Name of BEIR's ``qrels/SPLIT.tsv`` or MS MARCO's ``qrels.SPLIT.tsv``; by default the only one, else
            ``test``, ``dev.small`` or ``dev``. ``queries.tsv`` and ``qrels.txt`` come before MS MARCO's files.

    Raises:
        InputError: A file is missing or malformed, the split does not exist, or a split must be chosen.

    Examples:
        >>> open_folder(Path("collection")).split
        'test'
    """
    corpus = _find(folder, "corpus.jsonl")
    return _open_beir(folder, corpus, split) if corpus else _open_trec(folder, split)


def _open_beir(folder: Path, corpus: Path, split: str | None) -> Collection:
    queries = _find(folder, "queries.jsonl")
    if queries is None:
        raise InputError(f"{folder}: no queries.jsonl; expected it beside corpus.jsonl and qrels/SPLIT.tsv; add it")
    files = sorted(path for path in (folder / "qrels").glob("*") if path.name.endswith((".tsv", ".tsv.gz")))
    splits = {path.name.removesuffix(".gz").removesuffix(".tsv"): path for path in files}
    chosen = _choose(folder, splits, split)
    qrels = Qrels.read(splits[chosen])
    topics = judged_topics(str(queries), dict(_read_records(queries, _parse_json)), qrels)
    return Collection(folder.resolve().name, chosen, topics, qrels, _FileDocuments(corpus, _parse_json))


def _choose(folder: Path, splits: Mapping[str, object], split: str | None) -> str:
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


def _open_trec(folder: Path, split: str | None) -> Collection:
    passages, queries = _find(folder, "passages.tsv", "collection.tsv"), _find(folder, "queries.tsv")
    judgements, splits = _find(folder, "qrels.txt"), _msmarco_splits(folder)
    if split is not None and not splits:
        raise InputError(f"{folder}: split '{split}'; this layout has no splits; leave the split out")
    if splits and (split is not None or queries is None or judgements is None):
        judged = {name: files for name, files in splits.items() if "qrels" in files}
        if split is not None or judged or queries is None:
            split = _choose(folder, judged if judged and split is None else splits, split)
            queries, judgements = splits[split].get("queries", queries), splits[split].get("qrels")
    if passages is None or queries is None:
        missing = "passages.tsv or collection.tsv" if passages is None else "queries.tsv"
        raise InputError(
            f"{folder}: no {missing}; expected passages.tsv, queries.tsv and qrels.txt, "
            "or BEIR's corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; add it"
        )
    qrels = Qrels.read(judgements) if judgements else None
    topics = judged_topics(str(queries), dict(_read_records(queries, _parse_tsv)), qrels)
    return Collection(folder.resolve().name, split, topics, qrels, _FileDocuments(passages, _parse_tsv))


def _msmarco_splits(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files ``queries`` and ``qrels`` of each split that MS MARCO's file names tell."""
    splits: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("q*.*")):
        if match := _SPLIT_FILE.fullmatch(path.name):
            splits.setdefault(match[2], {})[match[1]] = path
    return dict(sorted(splits.items()))


def _find(folder: Path, *names: str) -> Path | None:
    """Return the first of ``names`` that exists in the folder, plain or with ``.gz``."""
    candidates = (folder / (name + suffix) for name in names for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


@dataclass(frozen=True)
class _FileDocuments:
    """The documents of one file, plain or ``.gz``, which is read anew for each use."""

    path: Path
    parse: _Parse
    local: ClassVar[bool] = True

    @cached_property
    def fingerprint(self) -> str:
        """A key of the file's bytes and format; neither path nor date, because they can miss a change of content."""
        self._check_state()
        with unchanged(self.path):
            return content_key(_FORMATS[self.parse], digest(self.path))

    @cached_property
    def _state(self) -> tuple[int, int]:
        return file_state(self.path)

    def _check_state(self) -> None:
        """Refuse a file that has changed since its fingerprint, which is that of other documents."""
        try:
            changed = self._state != file_state(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); expected a whole file") from error
        if changed:
            raise InputError(
                f"{self.path}: changed since its index was asked for; expected one content; open the collection again"
            )

    def __iter__(self) -> Iterator[_Record]:
        """Yield ``(document id, text)`` in file order."""
        if "fingerprint" in vars(self):
            self._check_state()
        return _read_records(self.path, self.parse)

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist; reading stops after the last of them."""
        wanted, found = set(doc_ids), dict[str, str]()
        for doc_id, text in self:
            if doc_id in wanted:
                found[doc_id] = text
                if len(found) == len(wanted):
                    break
        return found


def _read_records(path: Path, parse: _Parse) -> Iterator[_Record]:
    """Yield the records of a file; refuse an id that a TREC run cannot hold, or that occurs twice."""
    seen: set[str] = set()
    for number, line in read_lines(path):
        try:
            record_id, text = parse(line)
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        if fault := id_fault(record_id):
            raise InputError(f"{path}:{number}: {fault}; rename it")
        if record_id in seen:
            raise InputError(f"{path}:{number}: id '{record_id}' a second time; expected it once; remove one")
        seen.add(record_id)
        yield record_id, text


def _parse_json(line: str) -> _Record:
    """Read ``{"_id": …, "title": …, "text": …}``; the id may be an integer, the title missing or null."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON ({error.msg} at column {error.colno}); expected one object a line") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable JSON ({error}); expected one object a line") from None
    if not isinstance(record, dict):
        raise InputError(f'a JSON {type(record).__name__}; expected an object like {{"_id": "1", "text": "…"}}')
    record["title"] = record.get("title") or ""
    if type(record.get("_id")) is int:  # True is an int, too
        record["_id"] = str(record["_id"])
    for name in ("_id", "text", "title"):
        if not isinstance(record.get(name), str):
            seen = f"'{name}' is {json.dumps(record[name])[:40]}" if name in record else f"no '{name}'"
            raise InputError(f"{seen}; expected a string in every line")
    text = f"{record['title']} {record['text']}".strip()
    if "\\u" in line and (fault := broken_character(text)):
        raise InputError(fault)
    return record["_id"], text


def _parse_tsv(line: str) -> _Record:
    columns = line.split("\t")
    if len(columns) != 2:
        raise InputError(f"{len(columns)} columns; expected 2, an id and a text with one tab between them")
    return columns[0], columns[1].strip()


# Part of the cache keys of indexes: a name never changes.
_FORMATS: dict[_Parse, str] = {_parse_json: "json_record", _parse_tsv: "tsv_record"}
