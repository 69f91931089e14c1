"""Make known-item queries from technical documentation: the query is a section's first sentence, the document its rest.

    python documentation.py TEXT_DIR OUT_DIR

TEXT_DIR contains ``cpp_docs.jsonl.xz`` and ``peps.jsonl.xz`` (``title``, ``text``); OUT_DIR becomes a BEIR folder with
a ``train`` split. These texts have the vocabulary of programmers' questions, which question-answering sets lack. The
documentation of Python's library is the collection of ``make demo``, so it is not used here.
"""

import json
import lzma
import re
import sys
from collections.abc import Iterator
from pathlib import Path

MARKUP = re.compile(r"```.*?```|<[^>]+>|!?\[([^\]]*)\]\([^)]*\)|[*`#|>\\]+|:{2,}", re.DOTALL)
SENTENCE = re.compile(r"(?<=[a-z0-9)][.?!])\s+(?=[A-Z])")
SECTION = re.compile(r"\n(?=#+ )|\n{2,}(?=[^\n]+\n[=\-~]{4,}\n)")


def sections(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (title, first sentence, remainder) of each section that has enough of both."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            for section in SECTION.split(document["text"]):
                heading, _, body = section.lstrip("# ").partition("\n")
                words = " ".join(MARKUP.sub(r" \1", body).split())
                first, *rest = SENTENCE.split(words)
                remainder = " ".join(" ".join(rest).split()[:90])
                if 5 <= len(first.split()) <= 25 and len(remainder.split()) >= 25:
                    yield f"{document['title']}: {heading.strip()}"[:120], first, remainder


def main(text_dir: Path, out_dir: Path) -> None:
    """Write the BEIR folder."""
    (out_dir / "qrels").mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with (
        (out_dir / "corpus.jsonl").open("w") as corpus,
        (out_dir / "queries.jsonl").open("w") as queries,
        (out_dir / "qrels/train.tsv").open("w") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for name in ("cpp_docs", "peps"):
            for title, first, remainder in sections(text_dir / f"{name}.jsonl.xz"):
                if {first.lower(), remainder.lower()} & seen:
                    continue
                seen |= {first.lower(), remainder.lower()}
                key = len(seen) // 2
                corpus.write(json.dumps({"_id": f"d{key}", "title": title, "text": remainder}) + "\n")
                queries.write(json.dumps({"_id": f"q{key}", "text": first}) + "\n")
                qrels.write(f"q{key}\td{key}\t1\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
