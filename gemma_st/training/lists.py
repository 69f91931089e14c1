"""Lists to train on: read from JSONL, made shorter with a seed, and cut into triples for losses over margins."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from datasets import Dataset


def read_lists(paths: list[Path]) -> "Dataset":
    """Read JSONL lists ``{"query": str, "documents": [str, …], "labels": [number, …]}``.

    Args:
        paths: The files, concatenated in order.

    Raises:
        ModelError: A file is missing, or a line is not such a list.
    """
    from datasets import Dataset

    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8") as lines:
                rows += [_parse_list(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: cannot be read as UTF-8 text ({error}); write it with ir-eval mine") from error
    if not rows:
        raise ModelError(f"{', '.join(map(str, paths)) or 'lists'}: no list in there; write some with ir-eval mine")
    return Dataset.from_list(rows)


def shorten(data: "Dataset", documents: int, seed: int) -> "Dataset":
    """Return the lists with at most so many documents, the others drawn at random once.

    All that are labelled above 0 stay, if there are more of them too; where none is, as among a teacher's scores, the
    one that is labelled highest does. The order of the rest is kept.

    Args:
        data: Rows of query, documents and labels.
        documents: How many a list.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)

    def short(row: dict[str, Any]) -> dict[str, Any]:
        labels = np.array(row["labels"])
        relevant = labels > 0 if (labels > 0).any() else np.arange(len(labels)) == labels.argmax()
        others = np.flatnonzero(~relevant)
        taken = random.permutation(others)[: max(0, documents - int(relevant.sum()))]
        places = sorted([*np.flatnonzero(relevant).tolist(), *taken.tolist()])
        return {**row, **{name: [row[name][place] for place in places] for name in ("documents", "labels")}}

    from datasets import Dataset

    return Dataset.from_list([short(row) for row in data])


def triples(data: "Dataset") -> "Dataset":
    """Return a row (query, positive, negative, margin) for the best document of each list with each of its others.

    Args:
        data: Rows of query, documents and a teacher's scores as labels.

    Raises:
        ModelError: No list has two documents.
    """
    from datasets import Dataset

    rows = []
    for row in data:
        best = int(np.argmax(row["labels"]))
        for place, (text, label) in enumerate(zip(row["documents"], row["labels"], strict=True)):
            if place != best:
                margin = row["labels"][best] - label
                rows.append(
                    {"query": row["query"], "positive": row["documents"][best], "negative": text, "label": margin}
                )
    if not rows:
        raise ModelError("lists: none has two documents; expected a margin between two; mine some negatives")
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
            " with a label for each document"
        )
    return parsed
