"""Mutations: from valid examples, and words that often break a reader, to inputs of which most are slightly wrong."""

import copy
import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

BOM = b"\xef\xbb\xbf"
TOKEN = re.compile(rb"[^\s\",:\[\]{}=]+")
WORDS = (
    b"nan", b"NaN", b"inf", b"-Infinity", b"0x1F", b"1_0", b"1e39",
    b"1e400", b"-1", b"0", b"1", b"1.0", b"1.5", b"+1", b".5",
    b"9" * 30, b"9" * 5000, b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"2147483648",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\x00",
    b"\x1b[2J", b"\x1c", b"\x85", b"\xc2\xa0", b"\xe2\x80\xa8",
    "١".encode(), "é".encode(), "日本".encode(), b"\xef\xbb\xbfq1",
    b'"', b"'", b"\\", b"\\ud800", b"#", b"%", b"{", b"}", b"[[",
    b"null", b"true", b"false", b"[]", b"{}", b'""', b"q1", b"d1", b"test",
    b"score", b"x" * 70, b"x" * 4097, b"..", b"./a", b"a/b",
)  # fmt: skip
PIECES = (
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b" ",
    b"  ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b",",
    b":",
    b"=",
    BOM,
    b"\xff\xfe",
    b"# c\n",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**30, 2**63, 0.5, -0.5, 1e39,
    float("inf"), float("nan"), "", "x", "d1", "q1", "bm25",
    "ndcg@10", "\ud800", "\x1b[2J", "a/b", "..", "é" * 3000, "1",
    [], {}, [[]], [None], ["a"], [1, 2], {"a": 1}, {"": None},
    [["a", "b"]], [[[[[[[[]]]]]]]],
)  # fmt: skip
Step = Callable[[Random, bytes], bytes]


def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Change one of the examples at one to four places; one in sixteen is left as it is."""
    data = random.choice(seeds)
    if random.random() < 1 / 16:
        return data
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        data = (
            random.choice(STEPS)(random, data) if random.random() < 0.9 else _splice(random, data, random.choice(seeds))
        )
    return data


def mutate_tree(random: Random, tree: Any, values: Sequence[Any] = VALUES) -> Any:
    """Change a tree of dicts and lists at one to three places: replace, remove, rename or repeat a part."""
    tree = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = [
            (part, key) for part in _parts(tree) for key in (part if isinstance(part, dict) else range(len(part)))
        ]
        if not places:
            return copy.deepcopy(random.choice(values))
        part, key = random.choice(places)
        action = random.choice(("replace", "replace", "replace", "remove", "add", "swap"))
        if action == "replace":
            part[key] = copy.deepcopy(random.choice(values))
        elif action == "remove":
            del part[key]
        elif isinstance(part, dict):
            part[random.choice(("x", "", *part))] = part[key]
        elif action == "add":
            part.insert(key, copy.deepcopy(part[key]))
        else:
            other = random.randrange(len(part))
            part[key], part[other] = part[other], part[key]
    return tree


def mutate_trees(random: Random, examples: Sequence[Any], values: Sequence[Any] = VALUES) -> Any:
    """Change one of the examples, which are trees; one in sixteen is left as it is."""
    tree = random.choice(examples)
    return copy.deepcopy(tree) if random.random() < 1 / 16 else mutate_tree(random, tree, values)


def mutate_json(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Change JSON texts as trees, or as texts one time in four."""
    if random.random() < 0.25:
        return mutate(random, seeds)
    return json.dumps(mutate_tree(random, json.loads(random.choice(seeds)))).encode()


def mutate_lines(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a line of JSON as a tree in texts of one JSON value a line, or the text one time in three."""
    if random.random() < 0.33:
        return mutate(random, seeds)
    lines = [line for line in random.choice(seeds).splitlines() if line]
    place = random.randrange(len(lines))
    lines[place] = json.dumps(mutate_tree(random, json.loads(lines[place]))).encode()
    return b"\n".join(lines) + b"\n"


def _parts(tree: Any) -> list[Any]:
    """Return every dict and list of a tree."""
    if not isinstance(tree, dict | list):
        return []
    inner = tree.values() if isinstance(tree, dict) else tree
    return [tree, *(part for value in inner for part in _parts(value))]


def _word(random: Random, data: bytes) -> bytes:
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return data + random.choice(WORDS)
    token, word = random.choice(tokens), random.choice(WORDS)
    return data[: token.start()] + random.choice((word, word, token[0] + word, b"")) + data[token.end() :]


def _piece(random: Random, data: bytes) -> bytes:
    place = random.choice((0, len(data), random.randint(0, len(data))))
    return data[:place] + random.choice((*PIECES, bytes([random.randrange(256)]))) + data[place:]


def _byte(random: Random, data: bytes) -> bytes:
    if not data:
        return data
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    start, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
    return random.choice((data[:start], data[start:], data[:start] + data[end:]))


def _line(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.choice(("repeat", "remove", "swap"))
    if change == "repeat":
        lines.insert(other, lines[place])
    elif change == "remove":
        del lines[place]
    else:
        lines[place], lines[other] = lines[other], lines[place]
    return b"".join(lines)


def _newlines(random: Random, data: bytes) -> bytes:
    old, new = random.choice(((b"\n", b"\r\n"), (b"\n", b"\r"), (b" ", b"\t"), (b"\t", b" "), (b" ", b"  ")))
    return data.replace(old, new)


def _long(random: Random, data: bytes) -> bytes:
    start = random.randint(0, len(data))
    chunk = data[start : start + random.randint(1, 8)] * random.choice((2, 50, 2000))
    return data[:start] + chunk + data[start:]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


STEPS: tuple[Step, ...] = (_word, _word, _word, _word, _piece, _piece, _byte, _cut, _line, _line, _newlines, _long)
