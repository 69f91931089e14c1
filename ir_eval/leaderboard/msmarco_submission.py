r"""The files that the MS MARCO passage leaderboard takes.

Their format is that of https://github.com/microsoft/MSMARCO-Passage-Ranking-Submissions: a folder of two bzip2 files of
lines ``QID \t PID \t RANK``, and a JSON file beside it. Its own scripts check and encrypt them.
"""

import bz2
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ir_eval.data.files import atomic_directory, atomic_write, check_folder
from ir_eval.data.run import Run
from ir_eval.errors import InputError

DEPTH = 1000  # the evaluator has room for no more
TYPES = ("full ranking", "reranking")


@dataclass(frozen=True)
class Submission:
    """What the leaderboard shows.

    Attributes:
        id: ``yyyymmdd-suffix``, with the day it is handed in.
        team: Who; it must be clear who that is.
        model_description: What.
        paper: A URL, or nothing.
        code: A URL, or nothing.
        type: ``full ranking`` or ``reranking``, that of the official first 1000.

    Raises:
        InputError: The id or type is of another form, or team or model are empty.
    """

    id: str
    team: str
    model_description: str
    paper: str = ""
    code: str = ""
    type: str = TYPES[0]

    def __post_init__(self) -> None:
        """Check what the leaderboard would refuse."""
        if not re.fullmatch(r"20[0-9]{6}-[A-Za-z0-9._-]+", self.id):
            raise InputError(f"submission id {self.id!r}; expected yyyymmdd-suffix, such as 20260131-ourgroup")
        if self.type not in TYPES:
            raise InputError(f"submission type {self.type!r}; expected {' or '.join(map(repr, TYPES))}")
        for name in ("team", "model_description"):
            if not getattr(self, name).strip():
                raise InputError(f"submission without {name}; expected a text; the leaderboard shows it")


def write_submission(submission: Submission, dev: Run, evaluation: Run, folder: str | Path) -> Path:
    """Write ``ID/dev.txt.bz2``, ``ID/eval.txt.bz2`` and ``ID-metadata.json``: all of them, or none.

    Args:
        submission: What the metadata say.
        dev: The run of the Dev small queries; the first 1000 documents of each count.
        evaluation: That of the eval queries.
        folder: ``submissions/`` in a checkout of the leaderboard's repository.

    Returns:
        The folder ``ID``.

    Raises:
        InputError: An id is not a whole number, as in MS MARCO; there is a submission of this id; or the folder cannot
            be written.
    """
    check_folder(folder)
    target, beside = Path(folder, submission.id), Path(folder, f"{submission.id}-metadata.json")
    for path in (target, beside):
        if path.exists():
            raise InputError(f"{path}: exists; expected a new submission; choose another id, or remove it")
    lines = {"dev.txt.bz2": _lines(dev), "eval.txt.bz2": _lines(evaluation)}
    metadata = {name: value for name, value in vars(submission).items() if name != "id"}
    with atomic_write(beside) as file, atomic_directory(target) as temporary:
        json.dump(metadata, file, indent=2, ensure_ascii=False)
        file.write("\n")
        for name, text in lines.items():
            (temporary / name).write_bytes(bz2.compress(text.encode()))
    return target


def _lines(run: Run) -> str:
    run = run.top(DEPTH)
    for row, ids in (("query", run.query_ids), ("document", run.doc_ids)):
        wrong = next((one for one in ids.tolist() if not re.fullmatch("[0-9]+", one)), None)
        if wrong is not None:
            raise InputError(f"{run.name}: {row} id {wrong!r}; expected whole numbers, as MS MARCO's; give its run")
    return "".join(
        f"{query_id}\t{doc_id}\t{rank}\n"
        for query_id in run
        for rank, doc_id in enumerate(run[query_id][0].tolist(), 1)
    )
