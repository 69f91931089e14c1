"""The base class of losses over lists: it scores the candidates of each query and pads the lists to a matrix."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# Score at padded positions. Its softmax is exactly 0; unlike -inf it is finite, so that 0 · log softmax is 0, not NaN.
PADDED_SCORE = -1e9
RELEVANCE = 'relevance of at least 0; for the scores of a teacher set [loss] name = "distillation"'


class ListLoss(nn.Module, ABC):
    """Mean over the queries of a formula over the scores of each query's candidates.

    A subclass defines the formula. Pairs are sorted by length and scored in mini-batches, which saves padding and
    changes no score. The formula receives float32 tensors, also under autocast.

    Args:
        model: A cross-encoder with one label.
        mini_batch_size: Number of pairs in one forward pass. The activations of all mini-batches are kept for the
            backward pass.

    Inputs:
        | Texts                               | Labels           | Number of model output labels |
        |-------------------------------------|------------------|-------------------------------|
        | (query, [document, …]), any length  | [relevance, …]   | 1                             |

    Examples:
        >>> class SquaredErrorLoss(ListLoss):
        ...     def formula(self, scores, labels, filled):
        ...         return ((scores - labels).square() * filled).sum(-1)
    """

    needs_relevance = False  # whether a label below 0 is an error, and a list without a label above 0 teaches nothing
    compares_documents = False  # whether a list of one document teaches nothing

    def __init__(self, model: "CrossEncoder", *, mini_batch_size: int = 32) -> None:
        """Check the number of labels."""
        super().__init__()
        if model.num_labels != 1:
            raise ModelError(f"{type(self).__name__} with a model of {model.num_labels} labels; expected 1")
        if mini_batch_size < 1:
            raise ModelError(f"mini_batch_size {mini_batch_size}; expected at least 1 pair")
        self.model = model
        self.mini_batch_size = mini_batch_size

    @abstractmethod
    def formula(self, scores: Tensor, labels: Tensor, filled: Tensor) -> Tensor:
        """Return the loss of each query, of shape ``(queries,)``.

        Args:
            scores: float32, `PADDED_SCORE` at padded positions. (queries, documents)
            labels: float32, 0 at padded positions. (queries, documents)
            filled: Boolean, false at padded positions. (queries, documents)
        """

    def forward(
        self, inputs: Sequence[Any], labels: Sequence[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the loss of a batch: ``inputs`` are its queries and, for each query, a list of documents."""
        pairs, sizes = self.pairs(inputs, labels)
        scores = self.read(pairs, prompt, task)[:, 0]
        return self.mean(scores, torch.cat(list(labels)).to(scores), sizes)

    def pairs(self, inputs: Sequence[Any], labels: Sequence[Tensor]) -> tuple[list[tuple[str, str]], list[int]]:
        """Return the pairs of a batch, one list after the other, and the number of documents of each list."""
        queries, documents = inputs
        sizes, found = [len(texts) for texts in documents], [len(values) for values in labels]
        if sizes != found:
            raise ModelError(f"lists of {sizes} documents with {found} labels; expected one label per document")
        return [(query, text) for query, texts in zip(queries, documents, strict=True) for text in texts], sizes

    def mean(self, scores: Tensor, labels: Tensor, sizes: list[int]) -> Tensor:
        """Return the mean of the formula over the lists; scores and labels are those of all pairs, ``(pairs,)``."""
        filled = pad_rows(torch.ones_like(scores, dtype=torch.bool), sizes)
        if self.needs_relevance and bool((labels < 0).any()):
            raise ModelError(f"{type(self).__name__} with a label of {float(labels.min()):g}; expected {RELEVANCE}")
        return self.formula(pad_rows(scores, sizes, fill=PADDED_SCORE), pad_rows(labels, sizes), filled).mean()

    def columns(self, output: dict[str, Tensor]) -> Tensor:
        """Return what the loss needs of a model's output in float32, the score first; (pairs, columns)."""
        return output["scores"].view(-1, 1).float()

    def read(self, pairs: list[tuple[str, str]], prompt: str | None, task: str | None) -> Tensor:
        """Return the columns of all pairs, which are scored in mini-batches of similar length; (pairs, columns)."""
        order = sorted(range(len(pairs)), key=lambda place: sum(map(len, pairs[place])))
        batches = [order[start : start + self.mini_batch_size] for start in range(0, len(order), self.mini_batch_size)]
        batches += [order[:1]] * (_forward_passes(self.model, len(batches)) - len(batches))
        parts = []
        for places in batches:
            batch = [pairs[place] for place in places]
            features = batch_to_device(self.model.preprocess(batch, prompt=prompt, task=task), self.model.device)
            parts.append(self.columns(self.model(features)))
        rows, surplus = torch.cat(parts).tensor_split([len(order)])
        rows = rows + 0 * surplus.sum()  # the surplus forward passes need a backward pass, too
        return rows[torch.tensor(order, device=rows.device).argsort()]


def pad_rows(values: Tensor, sizes: list[int], *, fill: float = 0) -> Tensor:
    """Split a flat tensor into rows of the given sizes, and pad each row with ``fill`` to the longest.

    Examples:
        >>> pad_rows(torch.tensor([1.0, 2.0, 3.0]), [2, 1])
        tensor([[1., 2.],
                [3., 0.]])
    """
    return pad_sequence(list(torch.split(values, sizes)), batch_first=True, padding_value=fill)


def _forward_passes(model: nn.Module, batches: int) -> int:
    """Return the number of forward passes: with FSDP, the largest number of mini-batches of any process.

    FSDP gathers the weights in each forward pass, so a process that ran fewer passes would let the others wait forever.
    """
    from torch.distributed.fsdp import FSDPModule

    if not isinstance(model, FSDPModule):
        return batches
    most = torch.tensor(batches, device=next(model.parameters()).device)
    torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
    return int(most)
