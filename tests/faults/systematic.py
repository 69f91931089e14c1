"""Broken inputs in a fixed order: each field of an example replaced by each odd word, each line missing, and so on."""

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import tomli_w

from tests.faults.fuzzer import Target, check, workplace
from tests.faults.mutation import PIECES, TOKEN, VALUES, WORDS, mutate_json, mutate_lines
from tests.faults.targets import KINDS, TARGETS
from tests.faults.targets.toml_files import FILLED, mutate_toml

Tries = Iterator[tuple[str, str]]


def text_damages(data: bytes) -> Iterator[bytes]:
    """Yield a text with each token replaced, each line missing or repeated, each piece inserted, and each beginning."""
    for token in TOKEN.finditer(data):
        yield from (data[: token.start()] + word + data[token.end() :] for word in (b"", *WORDS))
    lines = data.splitlines(keepends=True)
    for number, line in enumerate(lines):
        yield b"".join([*lines[:number], *lines[number + 1 :]])
        yield b"".join([*lines[:number], line, *lines[number:]])
    for piece in PIECES:
        yield from (data[:place] + piece + data[place:] for place in (0, len(data) // 2, len(data)))
    yield from (data[:place] for place in range(0, len(data), 3))


def tree_damages(tree: Any, values: Sequence[Any] = VALUES) -> Iterator[Any]:
    """Yield a tree with each of its values replaced by each odd one, missing, or under an unknown name."""
    yield from values
    yield from _inner(tree, values, lambda changed: changed)


def _inner(part: Any, values: Sequence[Any], rebuild: Callable[[Any], Any]) -> Iterator[Any]:
    if not isinstance(part, dict | list):
        return
    items = list(part.items() if isinstance(part, dict) else enumerate(part))
    for key, value in items:

        def changed(new: Any, key: Any = key) -> Any:
            return rebuild({**part, key: new} if isinstance(part, dict) else [*part[:key], new, *part[key + 1 :]])

        yield from (changed(new) for new in values)
        others = [(name, other) for name, other in items if name != key]
        yield rebuild(dict(others) if isinstance(part, dict) else [other for _, other in others])
        if isinstance(part, dict):
            yield rebuild(dict([*others, (f"{key}x", value)]))
        yield from _inner(value, values, changed)


def json_damages(data: bytes) -> Iterator[bytes]:
    """Yield JSON lines with damages of the first line's tree, and of the text."""
    first, *others = data.splitlines()
    yield from (b"\n".join([json.dumps(tree).encode(), *others, b""]) for tree in tree_damages(json.loads(first)))
    yield from text_damages(data)


def toml_damages(data: bytes) -> Iterator[bytes]:
    """Yield a TOML file with damages of its tree, and of its text."""
    for tree in tree_damages(tomllib.loads(data.decode()), FILLED):
        yield tomli_w.dumps(tree if isinstance(tree, dict) else {"x": tree}).encode()
    yield from text_damages(data)


def damages(target: Target) -> Iterator[Any]:
    """Yield the damages of a target's examples, of the kind of its mutation."""
    options = getattr(target.mutation, "keywords", {})
    for example in target.examples:
        if target.mutation in (mutate_lines, mutate_json):
            yield from json_damages(example)
        elif target.mutation is mutate_toml:
            yield from toml_damages(example)
        elif isinstance(example, bytes):
            yield from text_damages(example)
        elif isinstance(example, str):
            yield from (text.decode("utf-8", "surrogateescape") for text in text_damages(example.encode()))
        else:
            yield from tree_damages(example, **options)


def tries(root: Path, thin: int, *, targets: Sequence[Target]) -> Tries:
    """Give the examples, and one in ``thin`` of their damages, to their targets."""
    with workplace() as place:
        for number, target in enumerate(targets):
            folder = place / f"systematic-{number}"
            folder.mkdir()
            target.prepare(folder)
            for example in target.examples:
                fault = check(target, folder, example)
                yield f"{target.name}: {example!r}", f"a sound input: {fault}" if fault != "" else ""
            for damaged in islice(damages(target), thin // 2, None, thin):
                yield f"{target.name}: {damaged!r}"[:400], check(target, folder, damaged) or ""


def _named(*names: str) -> partial[Tries]:
    """Return the tries of the targets of these names, or of the kinds of these names."""
    kinds = {kind.__name__.rpartition(".")[2]: kind.TARGETS for kind in KINDS}
    found = [target for name in names for target in kinds.get(name, (TARGETS.get(name),))]
    return partial(tries, targets=[target for target in found if target])


bad_runs = _named("run file", "run file, gzipped", "first_stages")
bad_qrels = _named("qrels file", "qrels/test.tsv", "qrels.txt")
bad_collections = _named("corpus.jsonl", "queries.jsonl", "passages.tsv", "queries.tsv")
bad_tomls = _named("toml_files")
bad_records = _named("results_files")
bad_lists = _named("glue_files")
bad_names = _named("names")
bad_values = _named("python_values", "model_inputs")
