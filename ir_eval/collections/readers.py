"""Reading files of ``(id, text)`` records, one a line: BEIR's JSON objects and TREC's two columns."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from gemma_st.files import digest
from ir_eval.cache import content_key
from ir_eval.data.text_files import read_lines
from ir_eval.errors import InputError

Record = tuple[str, str]  # id, text

_WHITESPACE = re.compile(r"[ \t\n\r\v\f]")  # separates columns for trec_eval


def json_record(line: str) -> Record:
    """Read ``{"_id": …, "title": …, "text": …}``; the title may be missing or null.

    Example:
        >>> json_record('{"_id": "d2", "title": "Gold", "text": "is a metal."}')
        ('d2', 'Gold is a metal.')
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON ({error.msg} at column {error.colno}); expected one object a line") from None
    if not isinstance(record, dict):
        raise InputError(f'a JSON {type(record).__name__}; expected an object like {{"_id": "1", "text": "…"}}')
    record["title"] = record.get("title") or ""
    for name in ("_id", "text", "title"):
        if not isinstance(record.get(name), str):
            seen = f"'{name}' is {json.dumps(record[name])[:40]}" if name in record else f"no '{name}'"
            raise InputError(f"{seen}; expected a string in every line")
    return record["_id"], f"{record['title']} {record['text']}".strip()


def tsv_record(line: str) -> Record:
    r"""Read ``id \t text``.

    Example:
        >>> tsv_record("d2\tGold is a metal.")
        ('d2', 'Gold is a metal.')
    """
    columns = line.split("\t")
    if len(columns) != 2:
        raise InputError(f"{len(columns)} columns; expected 2, an id and a text with one tab between them")
    return columns[0], columns[1].strip()


def read_records(path: Path, parse: Callable[[str], Record]) -> Iterator[Record]:
    """Yield the records of a file, plain or ``.gz``.

    Raises:
        InputError: A line is malformed, or its id is empty, contains whitespace, which a TREC run cannot hold, or is a
            duplicate; names file and line.

    Example:
        >>> next(read_records(Path("collection/corpus.jsonl"), json_record))
        ('d1', 'Goldfish grow as long as they live.')
    """
    seen: set[str] = set()
    for number, line in read_lines(path):
        try:
            record_id, text = parse(line)
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        if not record_id or _WHITESPACE.search(record_id):
            raise InputError(f"{path}:{number}: id '{record_id}'; expected text without whitespace; rename it")
        if record_id in seen:
            raise InputError(f"{path}:{number}: id '{record_id}' a second time; expected it once; remove one")
        seen.add(record_id)
        yield record_id, text


@dataclass(frozen=True)
class FileDocuments:
    """The documents of one file, which is read anew for each use.

    Attributes:
        path: File of documents, plain or ``.gz``.
        parse: Reads one line: `json_record` or `tsv_record`.

    Example:
        >>> FileDocuments(Path("collection/corpus.jsonl"), json_record).texts(["d2"])
        {'d2': 'Gold is a metal.'}
    """

    path: Path
    parse: Callable[[str], Record]
    local: ClassVar[bool] = True

    @cached_property
    def fingerprint(self) -> str:
        """A key of the file's bytes and format; neither path nor date, because they can miss a change of content."""
        return content_key(self.parse.__name__, digest(self.path))

    def __iter__(self) -> Iterator[Record]:
        """Yield ``(document id, text)`` in file order."""
        return read_records(self.path, self.parse)

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that exist; reading stops after the last of them."""
        wanted, found = set(doc_ids), dict[str, str]()
        for doc_id, text in self:
            if doc_id in wanted:
                found[doc_id] = text
                if len(found) == len(wanted):
                    break
        return found


def find_file(folder: Path, *names: str) -> Path | None:
    """Return the first of ``names`` that exists in the folder, plain or with ``.gz``.

    Example:
        >>> find_file(Path("collection"), "passages.tsv", "corpus.jsonl").name
        'corpus.jsonl'
    """
    candidates = (folder / (name + suffix) for name in names for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)
