"""Training lists: read them from JSONL, shorten them at random, and turn them into triples for margin losses.

A list is one query with its candidate documents and one label for each document.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from datasets import Dataset


def read_lists(paths: Sequence[Path]) -> "Dataset":
    """Read JSONL files whose lines are ``{"query": str, "documents": [str, …], "labels": [number, …]}``.

    The lists of all files are concatenated in the order of the files. It is an error if there is no list at all.

    Examples:
        >>> lists = read_lists([Path("lists.jsonl")])
        >>> len(lists), lists[0]["query"], lists[0]["labels"]
        (4, 'do goldfish grow', [1.0, 0.0])
    """
    from datasets import Dataset

    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8-sig") as lines:
                rows += [_parse_list(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); write it with ir-eval mine") from error
    if not rows:
        raise ModelError(f"{', '.join(map(str, paths)) or 'lists'}: contains no list; write some with ir-eval mine")
    return Dataset.from_list(rows)


def shorten(data: "Dataset", documents: int, *, seed: int) -> "Dataset":
    """Return the lists with at most ``documents`` documents each; the order of the documents is kept.

    Documents with a label above 0 are always kept, even if there are more of them. In a list without such a document,
    for example of a teacher's negative scores, the document with the highest label is kept. The other documents are
    drawn at random, once.

    Examples:
        >>> shorten(read_lists([Path("lists.jsonl")]), 1, seed=0)[0]["documents"]
        ['Goldfish grow as long as they live.']
    """
    from datasets import Dataset

    random = np.random.default_rng(seed)

    def short(row: dict[str, Any]) -> dict[str, Any]:
        labels = np.array(row["labels"])
        relevant = labels > 0 if (labels > 0).any() else np.arange(len(labels)) == labels.argmax()
        others = np.flatnonzero(~relevant)
        drawn = random.permutation(others)[: max(0, documents - int(relevant.sum()))]
        kept = sorted([*np.flatnonzero(relevant).tolist(), *drawn.tolist()])
        return {**row, **{name: [row[name][index] for index in kept] for name in ("documents", "labels")}}

    return Dataset.from_list([short(row) for row in data])


def triples(data: "Dataset") -> "Dataset":
    """Return a row (query, positive, negative, margin) for each pair of a list's best document and one of its others.

    The labels are a teacher's scores. It is an error if no list has two documents.

    Examples:
        >>> triples(read_lists([Path("lists.jsonl")]))[0]["label"]
        1.0
    """
    from datasets import Dataset

    rows = []
    for row in data:
        best = int(np.argmax(row["labels"]))
        for index, (text, label) in enumerate(zip(row["documents"], row["labels"], strict=True)):
            if index != best:
                margin = row["labels"][best] - label
                rows.append(
                    {"query": row["query"], "positive": row["documents"][best], "negative": text, "label": margin}
                )
    if not rows:
        raise ModelError("lists: no list has two documents; a margin needs two; mine more negatives: ir-eval mine")
    return Dataset.from_list(rows)


def _parse_list(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        query, documents, labels = row["query"], row["documents"], row["labels"]
        texts = isinstance(documents, list) and all(isinstance(text, str) for text in [query, *documents])
        valid = texts and len(documents) == len(labels) > 0
        parsed = {"query": query, "documents": documents, "labels": [float(label) for label in labels]}
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise ModelError(
            f'{where}: {line.strip()[:40]!r}; expected {{"query": text, "documents": [text, …], "labels": [number, …]}}'
            " with one label for each document"
        )
    return parsed
