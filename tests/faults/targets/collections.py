"""Collections: each file of a BEIR and of a TREC folder, beside sound other files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ir_eval.collections import open_collection
from tests.faults.fuzzer import Target
from tests.faults.mutation import mutate, mutate_lines

BEIR = {
    "corpus.jsonl": b'{"_id": "d1", "title": "Goldfish", "text": "Goldfish grow."}\n{"_id": "d2", "text": "Gold."}\n'
    b'{"_id": 3, "title": null, "text": ""}\n',
    "queries.jsonl": b'{"_id": "q1", "text": "do goldfish grow"}\n{"_id": "q2", "text": "gold", "metadata": {}}\n',
    "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n",
}
TREC = {
    "passages.tsv": b"d1\tGoldfish grow.\nd2\tGold is a metal.\n",
    "queries.tsv": b"q1\tdo goldfish grow\nq2\tgold\n",
    "qrels.txt": b"q1 0 d1 1\nq2 0 d2 2\n",
}


def write(files: dict[str, bytes], folder: Path) -> None:
    """Write the files of a collection into a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _read(name: str, folder: Path, data: bytes) -> None:
    (folder / name).write_bytes(data)
    collection = open_collection(str(folder))
    texts = dict(collection.documents())
    if collection.texts(texts) != texts:
        raise ValueError("texts differ from documents")


def _target(files: dict[str, bytes], name: str, mutation: Callable[..., bytes]) -> Target:
    prepare = partial(write, files)
    return Target(name, (files[name],), partial(_read, name), mutation=mutation, prepare=prepare, share=1)


TARGETS = (
    *(_target(BEIR, name, mutate if name.endswith("tsv") else mutate_lines) for name in BEIR),
    *(_target(TREC, name, mutate) for name in TREC),
)
