"""The training lists as batches of token ids."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

ROWS = 16  # pairs in a forward pass
FIRST_SHARD = 4  # those before are for development
SHARD = 960  # lists that are taken from a shard


class ListBatches:
    """Lists in shards; the order within a shard depends on the seed and on the number of shards used before."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast, *, longest: int, seed: int) -> None:
        """Find the shards."""
        self.tokenizer, self.longest, self.seed = tokenizer, longest, seed
        shards = sorted(path for path in folder.glob("[0-9]*.jsonl") if path.stem.isdigit())
        self.shards, self.dev = shards[FIRST_SHARD:], shards[FIRST_SHARD - 1]
        self.number, self.rows = -1, []
        self.passages = len(self.development(1)[0]["documents"])  # in a list

    def take(self, place: int, count: int) -> list[dict]:
        """Return the lists at a place in the endless sequence of shards; at most `count`, all of one shard."""
        number, offset = divmod(place, SHARD)
        return self._shard(number)[offset : offset + count]

    def batches(self, rows: list[dict]) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the places of pairs, counted through all lists, and their ids, padded with 0; longest first."""
        queries = [row["query"] for row in rows for _ in row["documents"]]
        texts = [text for row in rows for text in row["documents"]]
        ids = self.tokenizer(queries, texts, truncation="only_second", max_length=self.longest)["input_ids"]
        order = sorted(range(len(ids)), key=lambda place: -len(ids[place]))
        for begin in range(0, len(order), ROWS):
            own = order[begin : begin + ROWS]
            rows_of_ids = [torch.tensor(ids[place]) for place in own]
            yield own, torch.nn.utils.rnn.pad_sequence(rows_of_ids, batch_first=True)

    def development(self, count: int) -> list[dict]:
        """Return the first lists of a shard that no training step sees."""
        with self.dev.open(encoding="utf-8") as file:
            return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]

    def _shard(self, number: int) -> list[dict]:
        if number != self.number:
            path = self.shards[number % len(self.shards)]
            rows = [json.loads(line) for line in path.open(encoding="utf-8")]
            order = np.random.default_rng([self.seed, number]).permutation(len(rows))
            self.number, self.rows = number, [rows[place] for place in order][:SHARD]
        return self.rows
