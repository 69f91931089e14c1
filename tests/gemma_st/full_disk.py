"""``gemma-st`` on a disk that becomes full: ``python full_disk.py JSON``, where JSON is a list of [marker, arguments].

For each command prints a line of JSON: its exit code, standard output, standard error, and the names of the checkpoints
and hidden files below the current folder. From the moment at which a command opens
a file or makes a temporary folder whose path contains the marker, it can write no file; with the marker ``NAME@SIZE``,
no file above a size.
"""

import io
import json
import resource
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

marker = ""


def limit(size: int) -> None:
    """Set the largest file that can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Forbid writing once the file is opened."""
    name, _, size = marker.partition("@")
    if name and event in ("open", "tempfile.mkdtemp", "os.mkdir") and name in f"{event} {arguments[0]}":
        limit(int(size or 0))


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write is an error then, as on a full disk
    sys.addaudithook(watch)
    from gemma_st.cli import main

    for marker, command in json.loads(sys.argv[1]):  # noqa: B007
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(command)
        limit(resource.RLIM_INFINITY)
        left = sorted(path.name for name in ("checkpoint-*", ".*") for path in Path().rglob(name))
        sys.stdout.write(json.dumps([code, out.getvalue(), err.getvalue(), left]) + "\n")
