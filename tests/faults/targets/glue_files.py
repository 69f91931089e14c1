"""The files of GLUE and SuperGLUE, and training lists."""

from functools import partial
from pathlib import Path

from gemma_st import SoftmaxLoss
from gemma_st.glue.datasets import load
from gemma_st.glue.tasks import TASKS
from gemma_st.training.lists import read_lists, refuse_useless, shorten, triples
from tests.faults.fuzzer import Target
from tests.faults.mutation import mutate, mutate_lines
from tests.faults.targets.collections import write

FILES = {
    "SST-2/train.tsv": b"sentence\tlabel\n" + b"a dull film\t0\na fine film\t1\n" * 3,
    "SST-2/dev.tsv": b"sentence\tlabel\na film\t0\nfine\t1\n",
    "STS-B/train.tsv": b"index\tsentence1\tsentence2\tscore\n0\ta cat\ta dog\t2.5\n1\tone\ttwo\t0\n",
    "CoLA/train.tsv": b"gj04\t1\t\tThey sang.\ngj04\t0\t*\tThey sing were.\n",
    "MNLI/train.tsv": b"index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tentailment\n1\tc\td\tneutral\n",
    "CB/train.jsonl": b'{"premise": "a", "hypothesis": "b", "label": "neutral", "idx": 0}\n'
    b'{"premise": "c", "hypothesis": "d", "label": "entailment", "idx": 1}\n',
    "COPA/train.jsonl": b'{"premise": "a", "choice1": "b", "choice2": "c", "question": "cause", "label": 1, "idx": 0}\n'
    * 2,
}
LISTS = (
    b'{"query": "q", "documents": ["a", "b"], "labels": [1, 0]}\n{"query": "r", "documents": ["c"], "labels": [0.5]}\n',
    b'{"query": "q", "documents": ["a", "b", "c"], "labels": [2, 1.5, 0], "id": 3}\n\n',
)


def _read(name: str, folder: Path, data: bytes) -> None:
    (folder / name).write_bytes(data)
    task = next(task for task in TASKS.values() if task.title == name.partition("/")[0] and task.name != "super-rte")
    _ = load(task, str(folder), train_examples=2).digest


def _lists(folder: Path, data: bytes) -> None:
    path = folder / "lists.jsonl"
    path.write_bytes(data)
    found = read_lists([path], relevance=True)
    refuse_useless(found, SoftmaxLoss)
    triples(shorten(found, 2, seed=0))


TARGETS = (
    *(
        Target(
            name,
            (data,),
            partial(_read, name),
            mutation=mutate_lines if name.endswith("jsonl") else mutate,
            prepare=partial(write, FILES),
            share=0.5,
        )
        for name, data in FILES.items()
    ),
    Target("training lists", LISTS, _lists, mutation=mutate_lines, share=0.4),
)
