"""Score the lists with the teacher, once, and keep its logits and its last [CLS] states beside them.

    python teacher.py TEACHER LISTS_FOLDER [--first 0] [--last 999] [--threads 1]

For `lists/00000.jsonl` it writes `lists/00000.npz` with `logits` (lists, passages) in float32 and `states` (lists,
passages, width) in float16: the state that the classifier reads. A shard that has its file is left alone, so an
interrupted run goes on where it was, and several processes may work on different shards.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LONGEST = 256  # tokens of a pair
AT_ONCE = 2048  # tokens in a batch, padding included


class Teacher:
    """A BERT cross-encoder in bfloat16 that scores batches of about equal length."""

    def __init__(self, name: str, longest: int = LONGEST) -> None:
        """Load a directory or a hub id."""
        self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.model = AutoModelForSequenceClassification.from_pretrained(name, dtype=torch.bfloat16).eval()
        self.longest = longest

    @torch.inference_mode()
    def score(self, pairs: list[tuple[str, str]]) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
        """Return the logit and the [CLS] state of each pair."""
        queries, documents = zip(*pairs, strict=True)
        ids = self.tokenizer(queries, documents, truncation="only_second", max_length=self.longest)
        lengths = [len(row) for row in ids["input_ids"]]
        order = sorted(range(len(pairs)), key=lengths.__getitem__)
        logits = np.empty(len(pairs), np.float32)
        states = np.empty((len(pairs), self.model.config.hidden_size), np.float16)
        while order:
            rows = order[-max(1, AT_ONCE // lengths[order[-1]]) :]
            del order[-len(rows) :]
            batch = self.tokenizer.pad({key: [ids[key][row] for row in rows] for key in ids}, return_tensors="pt")
            result = self.model(**batch, output_hidden_states=True)
            state = result.hidden_states[-1][:, 0].float()
            pooled = torch.tanh(_linear(self.model.bert.pooler.dense, state))  # float32: near logits stay apart
            logits[rows] = _linear(self.model.classifier, pooled)[:, 0].numpy()
            states[rows] = state.numpy().astype(np.float16)
        return logits, states


def _linear(layer: torch.nn.Linear, states: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(states, layer.weight.float(), layer.bias.float())


def main(teacher: str, folder: Path, first: int, last: int, threads: int) -> None:
    """Score every shard of the range that has no scores, dev before all others."""
    torch.set_num_threads(threads)
    model = Teacher(teacher)
    names = ["dev", *(f"{number:05}" for number in range(first, last + 1))]
    for name in names:
        source, target = folder / f"{name}.jsonl", folder / f"{name}.npz"
        if target.exists() or not source.exists():
            continue
        start = time.time()
        rows = [json.loads(line) for line in source.open(encoding="utf-8")]
        logits, states = model.score([(row["query"], text) for row in rows for text in row["documents"]])
        shape = (len(rows), len(rows[0]["documents"]))
        part = target.with_suffix(".part.npz")
        np.savez(part, logits=logits.reshape(shape), states=states.reshape(*shape, -1))
        part.rename(target)
        record = {"shard": name, "pairs": len(logits), "pairs_per_second": len(logits) / (time.time() - start)}
        print(json.dumps({**record, "mean_of_first": float(logits.reshape(shape)[:, 0].mean())}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=999)
    parser.add_argument("--threads", type=int, default=1)
    main(**vars(parser.parse_args()))
