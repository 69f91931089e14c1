"""Lines of a file as ``(id, text)`` records: BEIR's JSON objects and TREC's two columns, checked as they are read."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ir_eval.cache import content_key, file_key
from ir_eval.data.files import read_lines
from ir_eval.errors import InputError

Record = tuple[str, str]

BLANK = re.compile(r"[ \t\n\r\v\f]")  # what separates columns for trec_eval


def json_record(line: str) -> Record:
    """Read ``{"_id": …, "title": …, "text": …}``; the title may be missing or null."""
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
    r"""Read ``id \t text``."""
    columns = line.split("\t")
    if len(columns) != 2:
        raise InputError(f"{len(columns)} columns; expected 2, an id and a text with one tab between them")
    return columns[0], columns[1].strip()


def read_records(path: Path, parse: Callable[[str], Record]) -> Iterator[Record]:
    """Yield the records of a file, plain or ``.gz``.

    Raises:
        InputError: A line is malformed, or its id is empty, holds a blank (a TREC run could not name it) or came
            before; names file and line.
    """
    seen: set[str] = set()
    for number, line in read_lines(path):
        try:
            record_id, text = parse(line)
        except InputError as error:
            raise InputError(f"{path}:{number}: {error}") from None
        if not record_id or BLANK.search(record_id):
            raise InputError(f"{path}:{number}: id '{record_id}'; expected one without blanks; rename it")
        if record_id in seen:
            raise InputError(f"{path}:{number}: id '{record_id}' a second time; expected it once; remove one")
        seen.add(record_id)
        yield record_id, text


@dataclass(frozen=True)
class FileDocuments:
    """The documents of one file; holds none of them in memory.

    The fingerprint is the hash of the file's bytes: reading a file costs far less than indexing it, and a path or a
    date would miss a change of content.
    """

    path: Path
    parse: Callable[[str], Record]
    local: ClassVar[bool] = True

    @cached_property
    def fingerprint(self) -> str:
        """A key of the file's bytes and of the way they are read."""
        return content_key(self.parse.__name__, file_key(self.path))

    def __iter__(self) -> Iterator[Record]:
        """Yield ``(document id, text)`` in file order."""
        return read_records(self.path, self.parse)

    def texts(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those of ``doc_ids`` that are in the file, reading no further than the last of them."""
        wanted, found = set(doc_ids), dict[str, str]()
        for doc_id, text in self:
            if doc_id in wanted:
                found[doc_id] = text
                if len(found) == len(wanted):
                    break
        return found


def find_file(folder: Path, *names: str) -> Path | None:
    """Return the first of ``names`` that is in the folder, plain or with ``.gz``."""
    candidates = (folder / (name + suffix) for name in names for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)
