r"""The files of a submission to the MS MARCO passage leaderboard.

https://github.com/microsoft/MSMARCO-Passage-Ranking-Submissions defines the format: a folder with two bzip2 files of
lines ``QID \t PID \t RANK``, and a JSON file beside it. The scripts of that repository check and encrypt them.
"""

import bz2
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ir_eval.data.run import Run
from ir_eval.data.text_files import atomic_directory, atomic_write, check_folder
from ir_eval.errors import InputError

MAX_DEPTH = 1000  # the evaluator reads no more documents of a query
SUBMISSION_TYPES = ("full ranking", "reranking")


@dataclass(frozen=True)
class Submission:
    """The metadata of a submission, as the leaderboard shows them; `InputError` if it would refuse them.

    Attributes:
        id: ``yyyymmdd-suffix``, with the day of the submission.
        team: Name of the team, which must identify it.
        model_description: Description of the system in one line.
        paper: URL of the paper, or empty.
        code: URL of the code, or empty.
        type: ``full ranking``, or ``reranking`` of the official top 1000.

    Examples:
        >>> Submission("20260131-ourgroup", "Our Group", "BM25 and a cross-encoder").type
        'full ranking'
    """

    id: str
    team: str
    model_description: str
    paper: str = ""
    code: str = ""
    type: str = SUBMISSION_TYPES[0]

    def __post_init__(self) -> None:
        """Check what the leaderboard would refuse."""
        for name, value in vars(self).items():
            if not isinstance(value, str) or not (value.isprintable() or value == self.id):
                raise InputError(f"submission with {name} {value!r:.60}; expected a text of one line; correct it")
        if not re.fullmatch(r"20[0-9]{6}-[A-Za-z0-9._-]+", self.id):
            raise InputError(f"submission id {self.id!r}; expected yyyymmdd-suffix, such as 20260131-ourgroup")
        try:
            datetime.strptime(self.id[:8], "%Y%m%d").astimezone()
        except ValueError:
            raise InputError(f"submission id {self.id!r}; expected the day of the submission, yyyymmdd") from None
        if self.type not in SUBMISSION_TYPES:
            raise InputError(f"submission type {self.type!r}; expected {' or '.join(map(repr, SUBMISSION_TYPES))}")
        for name in ("team", "model_description"):
            if not getattr(self, name).strip():
                raise InputError(f"submission without {name}; expected a text, which the leaderboard shows; give it")


def write_submission(submission: Submission, dev: Run, evaluation: Run, folder: str | Path) -> Path:
    """Write ``ID/dev.txt.bz2``, ``ID/eval.txt.bz2`` and ``ID-metadata.json``, all or none; return the folder ``ID``.

    The runs are those of the Dev small and of the eval queries; the top 1000 documents of each query are written. The
    folder is ``submissions/`` in a checkout of the leaderboard's repository.

    Raises:
        InputError: A query or document id is not a whole number, a submission with this id exists, or the folder cannot
            be written.

    Examples:
        >>> run = Run.from_dict({"2": {"4339068": 1.0}})
        >>> write_submission(Submission("20260131-ours", "us", "BM25"), run, run, "submissions").name
        '20260131-ours'
    """
    check_folder(folder)
    target, beside = Path(folder, submission.id), Path(folder, f"{submission.id}-metadata.json")
    for path in (target, beside):
        if path.exists() and not (path == beside and path.is_file()):  # a metadata file alone: a killed attempt
            raise InputError(f"{path}: exists; expected a new submission; choose another id, or remove this one")
    lines = {"dev.txt.bz2": _lines(dev), "eval.txt.bz2": _lines(evaluation)}
    metadata = {name: value for name, value in vars(submission).items() if name != "id"}
    try:
        with atomic_directory(target) as temporary:  # renamed last, when everything is on disk
            for name, text in lines.items():
                (temporary / name).write_bytes(bz2.compress(text.encode()))
            with atomic_write(beside) as file:
                json.dump(metadata, file, indent=2, ensure_ascii=False)
                file.write("\n")
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return target


def _lines(run: Run) -> str:
    run = run.top(MAX_DEPTH)
    for row, ids in (("query", run.query_ids), ("document", run.doc_ids)):
        wrong = next((one for one in ids.tolist() if not re.fullmatch("[0-9]+", one)), None)
        if wrong is not None:
            raise InputError(f"{run.name}: {row} id {wrong!r}; expected the whole numbers of MS MARCO; give its run")
    return "".join(
        f"{query_id}\t{doc_id}\t{rank}\n"
        for query_id in run
        for rank, doc_id in enumerate(run[query_id][0].tolist(), 1)
    )
