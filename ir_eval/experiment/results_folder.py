"""The folder of results: new runs wait beside earlier results, and replace them once the last one is made."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from ir_eval.cache import file_key
from ir_eval.data.text_files import check_folder, check_output
from ir_eval.errors import InputError
from ir_eval.experiment.results_file import RESULTS_FILENAME, read_record

_STAGED = ".unfinished-"


class ResultsFolder(NamedTuple):
    """A folder of results, and the folder that new runs are written to.

    Attributes:
        folder: Folder for ``COLLECTION/SYSTEM.trec``, ``COLLECTION/qrels.txt`` and ``results.json``.
        staged: The same folder, or one inside it if there are results that must survive until the new ones are made.

    Examples:
        >>> ResultsFolder(Path("out"), staged=Path("out")).publish([])  # there are no earlier results
    """

    folder: Path
    staged: Path

    def publish(self, kept: Sequence[Path]) -> None:
        """Replace the earlier results, of which only the files in ``kept`` stay beside the new ones.

        A process that is killed in between leaves no ``results.json``.
        """
        if self.staged == self.folder:
            return
        stale = _own_files(self.folder)
        (self.folder / RESULTS_FILENAME).unlink(missing_ok=True)
        for path in stale:
            if path.resolve() not in kept:
                path.unlink(missing_ok=True)
        for path in sorted(self.staged.rglob("*.*")):
            if path.is_file() and path.name != RESULTS_FILENAME:
                target = self.folder / path.relative_to(self.staged)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        (self.staged / RESULTS_FILENAME).replace(self.folder / RESULTS_FILENAME)
        for path in stale:
            with suppress(OSError):  # the folder of a former collection, unless there are files of the user in it
                path.parent.rmdir()


@contextmanager
def open_results(folder: str | Path) -> Iterator[ResultsFolder]:
    """Yield the folder for new results; earlier results in it stay as they are until `ResultsFolder.publish`.

    Examples:
        >>> with open_results("out") as results:
        ...     results.staged == results.folder
        True
    """
    folder = Path(folder)
    if not (folder / RESULTS_FILENAME).exists():
        yield ResultsFolder(folder, folder)
        return
    try:
        staged = Path(mkdtemp(prefix=_STAGED, dir=folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    try:
        yield ResultsFolder(folder, staged)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def check_places(folder: str | Path, places: Sequence[str]) -> None:
    """Check, before long work, that the files of the results can be written.

    Examples:
        >>> check_places("qrels.txt", ["c/bm25.trec"])
        Traceback (most recent call last):
        ir_eval.errors.InputError: qrels.txt: cannot be written (qrels.txt is no folder, or is protected); ...
    """
    check_folder(folder)
    for place in (*places, RESULTS_FILENAME):
        check_output(Path(folder) / place)


def _own_files(folder: Path) -> list[Path]:
    """Return the files of earlier results that are still as they were written."""
    try:
        _, collections, _ = read_record(folder)
    except InputError:  # damaged: nothing in it can be trusted
        return []
    runs = [(folder / system.run, system.sha256) for found in collections for system in found.systems]
    own = [path for path, sha256 in runs if path.is_file() and file_key(path) == sha256]
    return own + [folder / found.qrels for found in collections]
