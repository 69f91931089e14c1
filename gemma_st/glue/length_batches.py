"""Batches of examples of like length: mixed ones would be padding for the most part."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from gemma_st.glue.examples import Split

if TYPE_CHECKING:
    from datasets import Dataset

AT_ONCE = 50  # batches whose examples are sorted together; more would leave less to chance
COLUMNS = ("first", "second", "third")


def dataset(split: Split) -> "Dataset":
    """Return labelled examples as the trainer takes them: a column a text, and ``label``.

    Args:
        split: The examples.
    """
    from datasets import Dataset

    columns = dict(zip(COLUMNS, zip(*split.texts, strict=True), strict=False))
    return Dataset.from_dict({**columns, "label": [] if split.labels is None else split.labels.tolist()})


class LengthBatches(DefaultBatchSampler):
    """Batches of like length in random order, the same for the same seed and epoch.

    Args:
        dataset: As [gemma_st.glue.length_batches.dataset][] returns it.
        **options: As for the stock sampler.
    """

    def __init__(self, dataset: "Dataset", **options: Any) -> None:
        """Measure the examples, in characters."""
        super().__init__(dataset, **options)
        columns = [dataset[name] for name in COLUMNS if name in dataset.column_names]
        self.lengths = torch.tensor([sum(map(len, texts)) for texts in zip(*columns, strict=True)])

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the places of each batch's examples."""
        random = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=random)
        pools = [pool[self.lengths[pool].argsort()] for pool in torch.split(order, AT_ONCE * self.batch_size)]
        batches = [batch.tolist() for pool in pools for batch in torch.split(pool, self.batch_size)]
        yield from (batches[i] for i in torch.randperm(len(batches), generator=random))
