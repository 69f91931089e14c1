"""Training lists: read them from JSONL, shorten them at random, and turn them into triples for margin losses.

A list is one query with its candidate documents and one label for each document.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemma_st.errors import ModelError
from gemma_st.files import numbered_lines
from gemma_st.training.list_lines import parse_list

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

logger = logging.getLogger(__name__)


def read_lists(paths: Sequence[Path], *, relevance: bool = False, labelled: bool = True) -> "Dataset":
    """Read JSONL files whose lines are ``{"query": str, "documents": [str, …], "labels": [number, …]}``.

    Lines ``{"query": str, "pos": [str, …], "neg": [str, …]}`` of FlagEmbedding are read as well. Their ``pos_scores``
    and ``neg_scores``, the scores of a teacher, are the labels unless labels are grades of ``relevance``.

    The lists of all files are concatenated in the order of the files; blank lines are skipped. It is an error if there
    is no list at all, or, where labels are grades of ``relevance``, if a label is below 0. If they need not be
    ``labelled``, because a teacher scores them later, lists without labels are read with labels of 0.

    Examples:
        >>> lists = read_lists([Path("lists.jsonl")])
        >>> len(lists), lists[0]["query"], lists[0]["labels"]
        (4, 'do goldfish grow', [1.0, 0.0])
    """
    from datasets import Dataset

    lines = (line for path in paths for line in numbered_lines(path, remedy="write it with ir-eval mine"))
    options = {"relevance": relevance, "labelled": labelled}
    rows = [parse_list(line, where, **options) for where, line in lines if line.strip()]
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


def refuse_useless(data: "Dataset", loss: "type[nn.Module]") -> None:
    """Warn how many lists teach a loss nothing, as its class attributes say; if all of them do, raise `ModelError`.

    Examples:
        >>> from gemma_st import SoftmaxLoss
        >>> refuse_useless(shorten(read_lists([Path("lists.jsonl")]), 1, seed=0), SoftmaxLoss)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: lists: 4 of 4 teach SoftmaxLoss nothing (0 without a label above 0, 4 of one ...
    """
    labels = data["labels"]
    without = [getattr(loss, "needs_relevance", False) and max(row) <= 0 for row in labels]
    single = [getattr(loss, "compares_documents", False) and len(row) == 1 for row in labels]
    useless = sum(map(max, without, single))
    why = f"{sum(without)} without a label above 0, {sum(single)} of one document"
    message = f"lists: {useless} of {len(data)} teach {loss.__name__} nothing ({why}); write lists with ir-eval mine"
    if useless == len(data):
        raise ModelError(message)
    if useless:
        logger.warning("%s", message)


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
