"""The lines of a file of training lists: this project's format, and that of FlagEmbedding."""

import json
from typing import Any

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.files import is_unicode
from gemma_st.losses.listwise import RELEVANCE

LARGEST_LABEL = float(np.finfo(np.float32).max)
SHOWN = 40  # characters of a wrong line in its error
FORMATS = (
    '{"query": text, "documents": [text, …], "labels": [number, …]} with one label for each document, '
    'or {"query": text, "pos": [text, …], "neg": [text, …]}'
)


def parse_list(line: str, where: str, *, relevance: bool, labelled: bool = True) -> dict[str, Any]:
    """Return the list of a line, as ``query``, ``documents`` and ``labels``; wrong lines raise `ModelError`.

    Examples:
        >>> line = '{"query": "goldfish", "pos": ["Fish."], "neg": ["Gold."], "pos_scores": [9], "neg_scores": [1]}'
        >>> parse_list(line, "lists.jsonl:1", relevance=False)["labels"]
        [9.0, 1.0]
        >>> parse_list(line, "lists.jsonl:1", relevance=True)["labels"]
        [1.0, 0.0]
    """
    try:
        row = json.loads(line, object_pairs_hook=_without_repeated_keys)
        own = "documents" in row
        documents, labels = _own(row, labelled=labelled) if own else _flag_embedding(row, relevance=relevance)
        texts = [row["query"], *documents]
        valid = len(documents) == len(labels) > 0 and all(isinstance(text, str) for text in texts)
        valid = valid and all(isinstance(label, int | float) for label in labels)
        parsed = {"query": row["query"], "documents": documents, "labels": [float(label) for label in labels]}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        valid = False
    if not valid:
        raise ModelError(f"{where}: {line.strip()[:SHOWN]!r}; expected {FORMATS}")
    for label in parsed["labels"]:
        if not abs(label) <= LARGEST_LABEL:
            raise ModelError(f"{where}: label {label:g}; expected a finite float32 number; correct or remove the line")
        if relevance and label < 0:
            raise ModelError(f"{where}: label {label:g}; expected {RELEVANCE}")
    if not all(map(is_unicode, texts)):
        raise ModelError(f"{where}: a text contains a lone surrogate, which UTF-8 cannot encode; remove it")
    return parsed


def _own(row: dict[str, Any], *, labelled: bool) -> tuple[list[Any], list[Any]]:
    if not labelled and "labels" not in row:
        row["labels"] = [0] * len(row["documents"])
    if not isinstance(row["documents"], list) or not isinstance(row["labels"], list):
        raise TypeError
    return row["documents"], row["labels"]


def _flag_embedding(row: dict[str, Any], *, relevance: bool) -> tuple[list[Any], list[Any]]:
    """Return documents and labels: a teacher's scores where the line has them, and the labels are not relevance."""
    sides: list[list[Any]] = [row["pos"], row["neg"]]
    given: list[Any] = [row.get("pos_scores"), row.get("neg_scores")]
    if relevance or given == [None, None]:
        given = [[value] * len(side) for value, side in zip((1, 0), sides, strict=True)]
    if not all(isinstance(part, list) for part in (*sides, *given)) or list(map(len, sides)) != list(map(len, given)):
        raise TypeError
    return sides[0] + sides[1], given[0] + given[1]


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found
