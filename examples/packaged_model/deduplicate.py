"""Remove the queries and passages of test sets from training lists.

    python deduplicate.py LISTS.jsonl OUT.jsonl TEST_FOLDER[:SPLIT]...

A test folder is a BEIR or a TREC folder. A list is dropped if its query or its relevant passage has the same words as a
text of a test set; any other such passage is removed from its list. With a split, only that split's queries and
relevant passages of a BEIR folder count, because the training split shares the other passages.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path


def words(text: str) -> str:
    """Return a text's words in lower case, without punctuation."""
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def texts(folder: Path, split: str) -> Iterator[str]:
    """Yield the texts of a test set."""
    for name in ("queries.tsv", "passages.tsv"):
        if (folder / name).exists():
            for line in (folder / name).open(encoding="utf-8", newline="\n"):
                yield line.partition("\t")[2]
    judged: set[str] | None = None
    if split:
        rows = [line.split("\t") for line in (folder / "qrels" / f"{split}.tsv").read_text().splitlines()[1:]]
        judged = {part for query, document, _ in rows for part in (f"q {query}", f"d {document}")}
    for name, kind in (("queries.jsonl", "q"), ("corpus.jsonl", "d")):
        if (folder / name).exists():
            for line in (folder / name).open(encoding="utf-8"):
                row = json.loads(line)
                if judged is None or f"{kind} {row['_id']}" in judged:
                    yield row["text"]
                    yield f"{row.get('title', '')} {row['text']}"


def main(source: Path, target: Path, folders: list[str]) -> None:
    """Write the remaining lists that have at least one negative."""
    tests = {words(text) for folder in folders for text in texts(Path(folder.split(":")[0]), folder.partition(":")[2])}
    dropped = 0
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            row = json.loads(line)
            pairs = [(d, x) for d, x in zip(row["documents"], row["labels"], strict=True) if words(d) not in tests]
            if words(row["query"]) in tests or len(pairs) < 2 or not pairs[0][1]:
                dropped += 1
                continue
            documents, labels = zip(*pairs, strict=True)
            out.write(json.dumps(row | {"documents": documents, "labels": labels}) + "\n")
    print(f"{source}: {dropped} lists dropped")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
