"""Mini-batches of examples of similar length, which need little padding."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from gemma_st.glue.examples import TEXT_COLUMNS

if TYPE_CHECKING:
    from datasets import Dataset

POOL_SIZE = 50  # mini-batches whose examples are sorted by length together; a larger pool is less random


class LengthBatches(DefaultBatchSampler):
    """Mini-batches of examples of similar length, in a random order that seed and epoch determine.

    The arguments are those of the stock sampler; ``dataset`` is that of [gemma_st.glue.examples.Split][].

    Examples:
        >>> from datasets import Dataset
        >>> examples = Dataset.from_dict({"first": ["a long text", "b", "another text", "c"]})
        >>> sorted(map(sorted, LengthBatches(examples, batch_size=2)))
        [[0, 2], [1, 3]]
    """

    def __init__(self, dataset: "Dataset", batch_size: int, drop_last: bool = False, **options: Any) -> None:
        """Measure the length of each example in characters."""
        super().__init__(dataset, batch_size, drop_last, **options)
        columns = [dataset[name] for name in TEXT_COLUMNS if name in dataset.column_names]
        self.lengths = torch.tensor([sum(map(len, texts)) for texts in zip(*columns, strict=True)])

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the places of the examples of each mini-batch."""
        random = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=random)
        pools = [pool[self.lengths[pool].argsort()] for pool in torch.split(order, POOL_SIZE * self.batch_size)]
        batches = [batch.tolist() for pool in pools for batch in torch.split(pool, self.batch_size)]
        yield from (batches[i] for i in torch.randperm(len(batches), generator=random))
