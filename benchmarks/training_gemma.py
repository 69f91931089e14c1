"""Time training steps of Gemma 3 270M: every weight in float32, then each saving on top of the ones before.

    GEMMA_270M=DIR OMP_NUM_THREADS=1 python benchmarks/training_gemma.py [STEPS]

DIR is what ``examples/gemma_270m/base.py`` writes. A step is one query with eight passages of about 110 tokens, the
softmax loss and AdamW. The output is the number of trained parameters, tokens per second and per second of CPU time
(which other programs on the machine affect less), the CPU time as a multiple of the first row's, and the largest
difference of the losses of all steps from those of the row above. The restricted vocabulary must change nothing.
"""

import copy
import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import torch

from gemma_st import CrossEncoder, SoftmaxLoss
from gemma_st.build import cross_encoder
from gemma_st.modeling.vocabulary import Vocabulary, count_tokens, restore, restrict

PASSAGES, LENGTH = 8, 440  # passages in a list, characters in a passage
EXACT, CLOSE = 1e-3, 0.1  # largest difference of a loss: in float32, in bfloat16


class Variant(NamedTuple):
    """What is saved."""

    name: str
    frozen: bool = True
    small: bool = False
    bf16: bool = False


class Timing(NamedTuple):
    """What a variant costs and learns."""

    trained: int
    wall: float
    cpu: float
    losses: list[float]


VARIANTS = (
    Variant("all weights, float32", frozen=False),
    Variant("embeddings frozen"),
    Variant("and only tokens that occur", small=True),
    Variant("and bfloat16 autocast", small=True, bf16=True),
)


def lists(steps: int) -> list[tuple[str, list[str]]]:
    """Cut queries and passages out of a text."""
    text = " ".join((Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8").split())
    starts = [[(step * PASSAGES + place) * 137 for place in range(PASSAGES)] for step in range(steps)]
    return [(text[row[0] + 20 : row[0] + 70], [text[at : at + LENGTH] for at in row]) for row in starts]


def train(model: CrossEncoder, data: list[tuple[str, list[str]]], variant: Variant) -> Timing:
    """Run the steps; the first one, in which memory is allocated, is not timed."""
    table = Vocabulary.of(model).table.requires_grad_(not variant.frozen)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    loss, optimizer = SoftmaxLoss(model, mini_batch_size=PASSAGES), torch.optim.AdamW(trained, lr=1e-5, fused=True)
    labels, losses = torch.eye(PASSAGES)[0], []
    wall = cpu = 0.0
    for query, passages in data:
        wall, cpu = (wall, cpu) if losses else (perf_counter(), process_time())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant.bf16):
            value = loss(([query], [passages]), [labels])
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if not losses:
            wall, cpu = perf_counter(), process_time()
        losses.append(value.item())
    table.requires_grad_(True)
    return Timing(sum(p.numel() for p in trained), perf_counter() - wall, process_time() - cpu, losses)


def run(model: CrossEncoder, data: list[tuple[str, list[str]]], variant: Variant) -> Timing:
    """Train from the same weights as every variant."""
    whole = restrict(model, count_tokens(model.tokenizer, [text for q, texts in data for text in (q, *texts)]))
    if not variant.small:
        restore(model, whole)
    timing = train(model, data, variant)
    if variant.small:
        restore(model, whole)
    return timing


def main(steps: int) -> None:
    """Print a row for each variant; stop if a saving changes what is learned."""
    if not os.environ.get("GEMMA_270M"):
        print("GEMMA_270M names no directory: nothing to time")
        return
    torch.manual_seed(0)
    model, data = cross_encoder(os.environ["GEMMA_270M"], max_length=128), lists(steps + 1)
    start = copy.deepcopy(model.state_dict())
    pairs = [(query, text) for query, texts in data[1:] for text in texts]
    tokens = sum(len(model.tokenizer(*pair).input_ids) for pair in pairs)
    print(f"{tokens} tokens in {steps} steps, {torch.get_num_threads()} threads")
    print(f"{'':28} {'trained':>12} {'tokens/s':>9} {'per CPU s':>9} {'ratio':>6} {'losses':>8}")
    rows: list[Timing] = []
    for variant in VARIANTS:
        model.load_state_dict(start)
        timing = run(model, data, variant)
        above = rows[-1] if rows else timing
        difference = max(abs(one - other) for one, other in zip(timing.losses, above.losses, strict=True))
        rows.append(timing)
        speed = f"{tokens / timing.wall:9.0f} {tokens / timing.cpu:9.0f} {rows[0].cpu / timing.cpu:6.2f}"
        print(f"{variant.name:28} {timing.trained:12,} {speed} {difference:8.5f}", flush=True)
        if difference > (CLOSE if variant.bf16 else EXACT) and variant.small:
            sys.exit(f"{variant.name}: losses {timing.losses}, above {above.losses}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
