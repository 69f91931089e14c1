"""Draw queries of a BEIR folder's split at random, so that a small machine can evaluate a large collection.

    python sample.py FOLDER SPLIT QUERIES OUT_FOLDER

OUT_FOLDER is a BEIR folder with the whole corpus and QUERIES of the split's queries; the seed is fixed.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np


def main(source: Path, split: str, count: int, target: Path) -> None:
    """Write the folder; the corpus is written last."""
    (target / "qrels").mkdir(parents=True, exist_ok=True)
    header, *judged = (source / "qrels" / f"{split}.tsv").read_text().splitlines()
    queries = sorted({line.split("\t")[0] for line in judged})
    drawn = set(np.random.default_rng(0).choice(queries, count, replace=False).tolist())
    kept = [header, *(line for line in judged if line.split("\t")[0] in drawn)]
    (target / "qrels" / f"{split}.tsv").write_text("\n".join(kept) + "\n")
    with (source / "queries.jsonl").open() as lines:
        (target / "queries.jsonl").write_text("".join(line for line in lines if json.loads(line)["_id"] in drawn))
    shutil.copyfile(source / "corpus.jsonl", target / "corpus.jsonl")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
