"""Time the tokenization of 2,000 pairs of 20–300 tokens: this package's cross-encoder against the stock class.

    python benchmarks/tokenization.py [MODEL]

MODEL (default: gemma-encoder-msmarco) is loaded by both classes. Both tokenize the same batches of 32 by
``preprocess``, truncated to what the model reads and to 64 tokens; the tokens must be equal. The output is the CPU time
of each, the smallest of several rounds that alternate between the two, and the ratio.
"""

import sys
from time import process_time

import numpy as np
import sentence_transformers

from gemma_st import CrossEncoder
from gemma_st.names import locate

PAIRS, BATCH, ROUNDS, TRUNCATED = 2000, 32, 5, 64
WORDS = "the of licence work copyright goldfish pond treaty because 1998 distribution, water. (see) Contributor".split()
Batches = list[list[tuple[str, str]]]


def make_batches() -> Batches:
    """Return batches of random pairs, in the order of their lengths, as predict sorts them."""
    random = np.random.default_rng(0)
    sizes = random.integers(5, 200, PAIRS)  # in words, of 1.3 tokens on average
    pairs = [(" ".join(random.choice(WORDS, 5)), " ".join(random.choice(WORDS, size))) for size in sizes]
    pairs.sort(key=lambda pair: -len(pair[0]) - len(pair[1]))
    return [pairs[start : start + BATCH] for start in range(0, PAIRS, BATCH)]


def timed(model: sentence_transformers.CrossEncoder, batches: Batches, longest: int | None) -> float:
    """Return the CPU seconds of tokenizing all batches."""
    begin = process_time()
    for batch in batches:
        model.preprocess(batch, **({"max_length": longest} if longest else {}))
    return process_time() - begin


def main() -> None:
    """Check that the tokens are equal, time both classes in turn, and print the ratios."""
    name = locate(sys.argv[1] if len(sys.argv) > 1 else "gemma-encoder-msmarco")
    ours, stock = CrossEncoder(name, device="cpu"), sentence_transformers.CrossEncoder(name, device="cpu")
    batches = make_batches()
    lengths = [len(stock.tokenizer(*pair)["input_ids"]) for batch in batches for pair in batch]
    print(f"{PAIRS} pairs of {min(lengths)} to {max(lengths)} tokens, {np.mean(lengths):.0f} on average")
    for longest in (None, TRUNCATED):
        options = {"max_length": longest} if longest else {}
        for batch in batches:
            one, other = ours.preprocess(batch, **options), stock.preprocess(batch, **options)
            np.testing.assert_array_equal(one["input_ids"], other["input_ids"])
            np.testing.assert_array_equal(one["attention_mask"], other["attention_mask"])
        rounds = [(timed(ours, batches, longest), timed(stock, batches, longest)) for _ in range(ROUNDS)]
        own, theirs = np.min(rounds, axis=0)
        width = longest or ours.max_seq_length
        print(f"up to {width} tokens: stock {theirs:.2f} s CPU, ours {own:.2f} s CPU, {own / theirs:.2f} ×")
    print("tokens equal")


if __name__ == "__main__":
    main()
