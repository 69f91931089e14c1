"""The packaged collection: known-item search in the documentation of Python's own standard library.

Real text that is on every machine with Python. A query is the summary of a docstring, taken out of the passage it
comes from; that passage is its one relevant document. Built on first use and cached under the content of the
sources, so two interpreters of the same release give the same collection.
"""

import dataclasses
import hashlib
import json
import platform
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ir_eval.cache import cached, content_key
from ir_eval.collections.beir import open_beir
from ir_eval.collections.collection import Collection
from ir_eval.collections.docstrings import read_entries, read_sources
from ir_eval.errors import InputError

NAME = "python-docs"
RECIPE = 1  # part of the cache key: raise it when a rule below changes
TOPICS = 300
QUERY_WORDS = range(4, 21)
BODY_WORDS = 20  # a passage with fewer words of prose left has nothing to be found by
PASSAGE_WORDS = range(10, 121)

# A summary reads like a sentence in plain words: no signatures, no headings, no notes of the developers to themselves.
SENTENCE = re.compile(r"[A-Z][\w ,.;'\"()`*/-]*[\w.')\"`*]")
JUNK = re.compile(r"copyright|warrant|licen[cs]e|deprecated|todo|xxx|fixme|for internal|internal use", re.IGNORECASE)
PROSE = re.compile(r"\b[A-Za-z]{3,}\b")


def open_python_docs(*, split: str | None = None) -> Collection:
    """Open the packaged collection, building it if this interpreter's has not been built yet (a few seconds).

    Raises:
        InputError: A split other than ``test``, or no sources of the standard library.
    """
    if split not in (None, "test"):
        raise InputError(f"{NAME}: no split '{split}'; expected test; leave the split out")
    sources = read_sources()
    key = content_key(NAME, RECIPE, platform.python_version(), *(part for item in sources.items() for part in item))
    folder = cached(
        f"collections/{NAME}-{key[:32]}", lambda temporary: write_collection(read_entries(sources), temporary)
    )
    return dataclasses.replace(open_beir(folder), name=NAME)


def write_collection(entries: dict[str, str], folder: Path) -> None:
    """Write passages, queries and judgements as a BEIR folder.

    Args:
        entries: Qualified name to documentation.
        folder: An existing folder.
    """
    entries = _distinct(entries)
    chosen = dict(islice(sorted(_known_items(entries).items(), key=lambda item: _hash(item[0])), TOPICS))
    passages = []
    for name, text in entries.items():
        chunks = [chosen[name][1]] if name in chosen else _chunks(text)
        for number, chunk in enumerate(chunks, 1):
            passages.append({"_id": name if number == 1 else f"{name}#{number}", "title": name, "text": chunk})
    queries = [{"_id": f"q{number}", "text": query} for number, (query, _) in enumerate(chosen.values(), 1)]
    judgements = [f"q{number}\t{name}\t1" for number, name in enumerate(chosen, 1)]
    _write(folder / "corpus.jsonl", map(json.dumps, passages))
    _write(folder / "queries.jsonl", map(json.dumps, queries))
    _write(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", *judgements])


def _distinct(entries: dict[str, str]) -> dict[str, str]:
    """Keep the first of entries with the same text, and those long enough to say something."""
    distinct: dict[str, str] = {}
    for name, text in entries.items():
        if len(text.split()) >= PASSAGE_WORDS.start:
            distinct.setdefault(_normal(text), name)
    return {name: entries[name] for name in distinct.values()}


def _known_items(entries: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Find the entries that make a query: name to (summary, the rest).

    Neither the summary nor the rest may occur anywhere else in the collection, or the query would have other answers
    or be found by its own words.
    """
    everything = "\n".join(map(_normal, entries.values()))
    items = {}
    for name, text in entries.items():
        head, _, body = text.partition("\n\n")
        query, body = _line(head), _line(body)
        if (
            _is_public(name)
            and _is_query(query, name)
            and not JUNK.search(text)
            and len(PROSE.findall(body.partition(">>>")[0])) >= BODY_WORDS
            and len(body.split()) in PASSAGE_WORDS
            and everything.count(_normal(query)) == 1
            and everything.count(_normal(body)) == 1
        ):
            items[name] = (query.rstrip("."), body)
    return items


def _is_public(name: str) -> bool:
    return not name.startswith("reference.") and not any(part.startswith("_") for part in name.split(".")[1:])


def _is_query(text: str, name: str) -> bool:
    """Whether the text reads like a request, and not one answered by the name of what it describes."""
    named = name.rpartition(".")[2].lower() in _normal(text).split()
    return len(text.split()) in QUERY_WORDS and bool(SENTENCE.fullmatch(text)) and not named


def _chunks(text: str) -> Iterator[str]:
    """Pack paragraphs into passages of at most the longest length; a longer paragraph is cut at that length."""
    limit, words = PASSAGE_WORDS.stop - 1, list[str]()
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


def _line(text: str) -> str:
    return " ".join(text.split())


def _normal(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9_]+', text.lower()))} "


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, lines: Iterator[str] | list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
