"""The packaged collection ``python-docs``: known-item search in the documentation of Python's standard library.

Every machine with Python has these texts. A query is the summary line of a docstring, removed from its passage, and
that passage is the one relevant document. The collection is built on first use and cached under the content of the
source files, so that two interpreters of the same release have the same collection.
"""

import dataclasses
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gemma_st.files import digest
from ir_eval.cache import cached, content_key
from ir_eval.collections.collection import Collection
from ir_eval.collections.docstrings import read_entries, read_sources
from ir_eval.collections.folders import open_folder
from ir_eval.errors import InputError

_NAME = "python-docs"
_VERSION = 1  # part of the cache key: increase it when a rule below changes
_FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
_DIGESTS_FILENAME = "digests.json"  # SHA-256 by file
_TOPICS = 300
_QUERY_WORDS = range(4, 21)
_MIN_PROSE_WORDS = 20  # in a relevant passage without its summary line
_PASSAGE_WORDS = range(10, 121)

# A query is a sentence in plain words: no signature, no heading, no note of the developers to themselves.
_SENTENCE = re.compile(r"[A-Z][\w ,.;'\"()`*/-]*[\w.')\"`*]")
_EXCLUDED = re.compile(
    r"copyright|warrant|licen[cs]e|deprecated|todo|xxx|fixme|for internal|internal use", re.IGNORECASE
)
_PROSE_WORD = re.compile(r"\b[A-Za-z]{3,}\b")


def open_python_docs(*, split: str | None = None) -> Collection:
    """Open the packaged collection; the first call with an interpreter builds it in a few seconds.

    Raises:
        InputError: The split is not ``test``, or the standard library has no source files.

    Examples:
        >>> len(open_python_docs().topics)
        300
    """
    if split not in (None, "test"):
        raise InputError(f"{_NAME}: no split '{split}'; expected test; leave the split out")
    sources = read_sources()
    key = content_key(_NAME, _VERSION, platform.python_version(), *(part for item in sources.items() for part in item))
    folder = cached(
        f"collections/{_NAME}-{key[:32]}",
        lambda path: _write_collection(read_entries(sources), path),
        check=_fault,
        about=f"collection {_NAME} of Python {platform.python_version()}",
    )
    return dataclasses.replace(open_folder(folder), name=_NAME)


def _write_collection(entries: dict[str, str], folder: Path) -> None:
    """Write passages, queries and judgements, made from documentation by qualified name, into an existing folder."""
    entries = _distinct(entries)
    shuffled = sorted(_known_items(entries).items(), key=lambda item: hashlib.sha256(item[0].encode()).digest())
    chosen = dict(shuffled[:_TOPICS])
    passages = []
    for name, text in entries.items():
        chunks = [chosen[name][1]] if name in chosen else _chunks(text)
        for number, chunk in enumerate(chunks, 1):
            passages.append({"_id": name if number == 1 else f"{name}#{number}", "title": name, "text": chunk})
    queries = [{"_id": f"q{number}", "text": query} for number, (query, _) in enumerate(chosen.values(), 1)]
    judgements = [f"q{number}\t{name}\t1" for number, name in enumerate(chosen, 1)]
    contents = map(json.dumps, passages), map(json.dumps, queries), ["query-id\tcorpus-id\tscore", *judgements]
    for name, lines in zip(_FILES, contents, strict=True):
        _write(folder / name, lines)
    _write(folder / _DIGESTS_FILENAME, [json.dumps({name: digest(folder / name) for name in _FILES})])


def _fault(folder: Path) -> str:
    """Return which file of a built collection is not as it was written, or ""."""
    try:
        digests: dict[str, str] = json.loads((folder / _DIGESTS_FILENAME).read_bytes())
        changed = [name for name in _FILES if digests[name] != digest(folder / name)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        return " ".join(str(error).split())
    return f"{changed[0]} has changed" if changed else ""


def _distinct(entries: dict[str, str]) -> dict[str, str]:
    """Drop entries that are too short, and all but the first of entries with the same text."""
    distinct: dict[str, str] = {}
    for name, text in entries.items():
        if len(text.split()) >= _PASSAGE_WORDS.start:
            distinct.setdefault(_normalise(text), name)
    return {name: entries[name] for name in distinct.values()}


def _known_items(entries: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the entries that yield a query: name to (summary, rest).

    Neither the summary nor the rest may occur elsewhere in the collection: the query would have other relevant passages
    or would be found word for word.
    """
    everything = "\n".join(map(_normalise, entries.values()))
    items = {}
    for name, text in entries.items():
        head, _, body = text.partition("\n\n")
        query, body = _on_one_line(head), _on_one_line(body)
        if (
            _is_public(name)
            and _is_query(query, name)
            and not _EXCLUDED.search(text)
            and len(_PROSE_WORD.findall(body.partition(">>>")[0])) >= _MIN_PROSE_WORDS
            and len(body.split()) in _PASSAGE_WORDS
            and everything.count(_normalise(query)) == 1
            and everything.count(_normalise(body)) == 1
        ):
            items[name] = (query.rstrip("."), body)
    return items


def _is_public(name: str) -> bool:
    return not name.startswith("reference.") and not any(part.startswith("_") for part in name.split(".")[1:])


def _is_query(text: str, name: str) -> bool:
    """Return whether the text is a sentence of query length that does not contain the last part of the name."""
    has_name = name.rpartition(".")[2].lower() in _normalise(text).split()
    return len(text.split()) in _QUERY_WORDS and bool(_SENTENCE.fullmatch(text)) and not has_name


def _chunks(text: str) -> Iterator[str]:
    """Join paragraphs into passages up to the maximum length; split paragraphs that are longer."""
    limit, words = _PASSAGE_WORDS.stop - 1, list[str]()
    for paragraph in text.split("\n\n"):
        more = paragraph.split()
        if words and len(words) + len(more) > limit:
            yield " ".join(words)
            words = []
        words += more
        while len(words) > limit:
            yield " ".join(words[:limit])
            words = words[limit:]
    if words:
        yield " ".join(words)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _normalise(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9_]+', text.lower()))} "


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
