"""What the losses over lists have in common: from texts to a matrix of scores, a row a query."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

OUT = -1e9  # score of a slot that a shorter list leaves empty: its softmax is 0, and 0 · log of it is no NaN


class ListLoss(nn.Module, ABC):
    """A formula over the scores of each query's list; lists may have any length.

    Pairs are scored in mini-batches of like length, which changes no score and spares padding. What the formula gets
    is float32, also under autocast.

    Args:
        model: A cross-encoder of one label.
        mini_batch_size: How many pairs are scored together; all of them are kept for the gradient.

    Raises:
        ModelError: The model has several labels.

    Inputs:
        | Texts                              | Labels            |
        |------------------------------------|-------------------|
        | (query, [document, …]) of any size | [relevance, …]    |
    """

    def __init__(self, model: "CrossEncoder", *, mini_batch_size: int = 32) -> None:
        """Keep the model."""
        super().__init__()
        if model.num_labels != 1:
            raise ModelError(f"{type(self).__name__} with a model of {model.num_labels} labels; expected 1")
        self.model = model
        self.mini_batch_size = mini_batch_size

    @abstractmethod
    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each list, (queries,).

        Args:
            scores: float32, -1e9 where a list has no document. (queries, documents)
            labels: float32, 0 where a list has no document. (queries, documents)
            filled: Where a list has a document. (queries, documents)
        """

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the mean of the formula over the lists."""
        queries, documents = inputs
        sizes = [len(texts) for texts in documents]
        if sizes != [len(list_) for list_ in labels]:
            raise ModelError(f"lists of {sizes} documents with {[len(list_) for list_ in labels]} labels")
        pairs = [(query, text) for query, texts in zip(queries, documents, strict=True) for text in texts]
        scores = self._score(pairs, prompt, task)
        filled = rows(torch.ones_like(scores, dtype=torch.bool), sizes)
        gold = rows(torch.cat(labels).to(scores), sizes)
        return self.formula(rows(scores, sizes, fill=OUT), gold, filled).mean()

    def _score(self, pairs: list[tuple[str, str]], prompt: str | None, task: str | None) -> Tensor:
        """Return one float32 score a pair. (pairs,)."""
        order = sorted(range(len(pairs)), key=lambda place: sum(map(len, pairs[place])))
        batches = [order[start : start + self.mini_batch_size] for start in range(0, len(order), self.mini_batch_size)]
        batches += [order[:1]] * (_rounds(self.model, len(batches)) - len(batches))
        parts = []
        for places in batches:
            batch = [pairs[place] for place in places]
            features = self.model.preprocess(batch, prompt=prompt, task=task)
            features = {
                key: value.to(self.model.device) if isinstance(value, Tensor) else value
                for key, value in features.items()
            }
            parts.append(self.model(features)["scores"].view(-1).float())
        found, spare = torch.cat(parts).tensor_split([len(order)])
        found = found + 0 * spare.sum()  # for their backward pass
        return found[torch.tensor(order, device=found.device).argsort()]


def rows(flat: Tensor, sizes: list[int], fill: float = 0) -> Tensor:
    """Cut a flat tensor into rows of the given sizes, filled up to the longest."""
    return pad_sequence(list(torch.split(flat, sizes)), batch_first=True, padding_value=fill)


def _rounds(model: nn.Module, batches: int) -> int:
    """Return how often a model is called: where it is in shards every process joins in each call, or all wait."""
    from torch.distributed.fsdp import FSDPModule

    if not isinstance(model, FSDPModule):
        return batches
    most = torch.tensor(batches, device=next(model.parameters()).device)
    torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
    return int(most)
