"""The lists as token ids with the teacher's scores, and batches of about equal length."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from gemma_st.template import set_template
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer

from gemma_st.build import PAIR

ROWS = 16  # pairs in a forward pass


class Item(NamedTuple):
    """One list."""

    pairs: list[list[int]]
    logits: NDArray[np.float32]
    states: NDArray[np.float16]


@dataclass
class Place:
    """How far a run is."""

    step: int = 0
    tokens: int = 0
    pairs: int = 0
    seconds: float = 0.0  # of the processor, without those for dev figures
    visits: dict[str, int] = field(default_factory=dict)  # shard → how often it was used up
    shard: str = ""
    offset: int = 0  # lists taken from it


class Lists:
    """The shards that have scores, in order; the one that was used least comes next."""

    def __init__(self, folder: Path, start: str, longest: int, seed: int) -> None:
        """Read the scale of the teacher's scores off the dev shard."""
        self.folder, self.longest, self.seed = folder, longest, seed
        self.tokenizer = AutoTokenizer.from_pretrained(start)
        set_template(self.tokenizer, PAIR)
        vocabulary = json.dumps(self.tokenizer.get_vocab(), sort_keys=True)
        self.key = hashlib.sha256(f"{longest} {vocabulary}".encode()).hexdigest()[:8]
        scores = np.load(folder / "dev.npz")
        self.mean, self.deviation = float(scores["logits"].mean()), float(scores["logits"].std())
        states = torch.from_numpy(scores["states"]).float().flatten(0, 1)
        self.states_mean, self.states_deviation = states.mean(0), states.std(0)
        names = [
            re.sub("[^a-z0-9]", "", name.lower())
            for name in self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        ]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(["", *names]))}
        self.word = np.array([numbers[name] for name in names])  # token → its letters without case; 0: none
        self.marker = self.tokenizer("a", "b").input_ids[-4]
        self.loaded: tuple[str, int] = ("", -1)
        self.items: list[Item] = []

    def shard(self, name: str) -> list[Item]:
        """Return the lists of a shard, tokenized once and kept on disk."""
        cache = self.folder / f"{name}.{self.key}.tokens.npz"
        if not cache.exists():
            rows = [json.loads(line) for line in (self.folder / f"{name}.jsonl").open(encoding="utf-8")]
            queries = [row["query"] for row in rows for _ in row["documents"]]
            documents = [text for row in rows for text in row["documents"]]
            ids = self.tokenizer(queries, documents, truncation="only_second", max_length=self.longest).input_ids
            part = cache.with_suffix(".part.npz")
            np.savez(part, ids=np.concatenate(ids).astype(np.uint16), lengths=np.array([len(row) for row in ids]))
            part.rename(cache)
        tokens, scores = np.load(cache), np.load(self.folder / f"{name}.npz")
        flat = np.split(tokens["ids"].astype(np.int64), tokens["lengths"].cumsum()[:-1])
        logits, states = scores["logits"], scores["states"]
        width = logits.shape[1]
        rows = [[row.tolist() for row in flat[i * width : (i + 1) * width]] for i in range(len(logits))]
        return [Item(*row) for row in zip(rows, logits, states, strict=True)]

    def take(self, place: Place, count: int) -> list[Item]:
        """Return the next lists, and move the place; a shard's order depends on the seed, its name and its visit."""
        if not place.shard:
            names = sorted(path.stem for path in self.folder.glob("[0-9]*.npz") if path.stem.isdigit())
            place.shard, place.offset = min(names, key=lambda name: (place.visits.get(name, 0), name)), 0
        visit = place.visits.get(place.shard, 0)
        if self.loaded != (place.shard, visit):
            items = self.shard(place.shard)
            order = np.random.default_rng([self.seed, int(place.shard), visit]).permutation(len(items))
            self.items, self.loaded = [items[i] for i in order], (place.shard, visit)
        batch = self.items[place.offset : place.offset + count]
        place.offset += count
        if place.offset + count > len(self.items):
            place.visits[place.shard] = visit + 1
            place.shard = ""
        return batch

    def shared(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return for every token whether it occurs in the other text of its pair, and its weight.

        Of each pair, the query's tokens together weigh one half, and so do the document's.
        """
        shared, weights = torch.zeros(ids.shape), torch.zeros(ids.shape)
        for row, tokens in enumerate(ids.numpy()):
            end = int((tokens != 0).sum()) - 1
            middle = 3 + int((tokens[3:] == self.marker).argmax())  # <bos> Query : … Document : … <eos>
            for own, other in (((3, middle), (middle + 2, end)), ((middle + 2, end), (3, middle))):
                mine, theirs = self.word[tokens[slice(*own)]], self.word[tokens[slice(*other)]]
                shared[row, slice(*own)] = torch.from_numpy(np.isin(mine, theirs) & (mine > 0)).float()
                weights[row, slice(*own)] = 0.5 / max(1, len(mine))
        return shared, weights


def length_sorted(pairs: list[list[int]], rows: int = ROWS) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Yield the positions, ids and masks of batches of pairs of about equal length, the longest first."""
    order = sorted(range(len(pairs)), key=lambda row: -len(pairs[row]))
    for first in range(0, len(order), rows):
        chosen = order[first : first + rows]
        width = len(pairs[chosen[0]])
        ids = torch.zeros(len(chosen), width, dtype=torch.long)
        mask = torch.zeros(len(chosen), width, dtype=torch.long)
        for place, row in enumerate(chosen):
            ids[place, : len(pairs[row])] = torch.tensor(pairs[row])
            mask[place, : len(pairs[row])] = 1
        yield chosen, ids, mask
