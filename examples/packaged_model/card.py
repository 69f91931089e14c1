"""Write the model card from the model and its results, so that no number in the card is typed by hand.

    python card.py MODEL_DIR RESULTS_DIR...

Each RESULTS_DIR is an output folder of ``ir-eval run --out`` for the model. This script measures speed and loading time
on one thread. The card is written to ``MODEL_DIR/README.md``.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from gemma_st import CrossEncoder
from gemma_st.hub.card import describe, results_table

PASSAGES = 120


def pairs() -> list[tuple[str, str]]:
    """Return queries of 6 and passages of 60 words, drawn from the words of the card."""
    words = [word for word in Path(__file__).with_name("card.md").read_text().split() if word.isalpha()]
    rng = np.random.default_rng(0)
    return [(" ".join(rng.choice(words, 6)), " ".join(rng.choice(words, 60))) for _ in range(PASSAGES)]


def main(directory: Path, folders: list[Path]) -> None:
    """Write the card."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    model = CrossEncoder(str(directory), device="cpu")
    loaded = time.perf_counter() - started
    texts = pairs()
    model.predict(texts)
    started, used = time.perf_counter(), time.process_time()
    model.predict(texts)
    speed, pure = PASSAGES / (time.perf_counter() - started), PASSAGES / (time.process_time() - used)
    files = [path for path in directory.rglob("*") if path.is_file() and "checkpoints" not in path.parts]
    said = describe(model)
    card = (
        Path(__file__)
        .with_name("card.md")
        .read_text()
        .format(
            rows="\n".join(f"| {name} | {value} |" for name, value in said.items()),
            vocabulary=len(model.tokenizer),
            megabytes=sum(path.stat().st_size for path in files if path.name != "README.md") / 1e6,
            loading=loaded * 1000,
            speed=speed,
            pure=pure,
            results=results_table(tuple(folder / "results.json" for folder in folders)),
        )
    )
    (directory / "README.md").write_text(card)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
