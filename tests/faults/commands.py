"""Commands that write files, run in processes of their own: with a limit, until they are killed, or two at once."""

import json
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from tests.faults.small_models import write_decoder, write_reranker
from tests.faults.targets.collections import BEIR, write

PATIENCE = 600  # seconds for one command
RUN = "q1 Q0 d2 1 2.0 bm25\nq1 Q0 d1 2 1.0 bm25\nq2 Q0 d1 1 3.0 bm25\n"
NUMBERED = "1 Q0 10 1 2.0 bm25\n2 Q0 11 1 3.0 bm25\n"
LIST = {"query": "do goldfish grow", "documents": ["Goldfish grow.", "Gold is a metal."], "labels": [1, 0]}
STAGE = """\
output = "trained"
lists = ["lists.jsonl"]
model = { base = "decoder" }
loss = { name = "softmax" }

[trainer]
use_cpu = true
max_steps = 4
save_steps = 1
logging_steps = 1
per_device_train_batch_size = 2
disable_tqdm = true
"""
GLUE = b"sentence\tlabel\n" + b"a dull film\t0\na fine film\t1\n" * 4
VOLATILE = ("seconds", "train_runtime", "train_samples_per_second", "train_steps_per_second", "date")
TIMED = (".html", ".md")  # files with times in their text: only their end is compared


@dataclass(frozen=True)
class Command:
    """A command line, and what it writes.

    Attributes:
        words: Program and arguments; relative paths start at the folder of `prepare`.
        output: File or folder that it writes.
        again: Whether the same command runs again over its own output.
        skipped: Parts of the output that may be incomplete after an interruption: what a second run resumes from.
    """

    words: tuple[str, ...]
    output: str
    again: bool = True
    skipped: tuple[str, ...] = ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_numbers = count()
COMMANDS = {
    "run": Command(_words("ir-eval run collection --first-stage bm25.trec --rerank reranker --out out"), "out"),
    "index": Command(_words("ir-eval run collection --out out"), "out"),
    "mine": Command(_words("ir-eval mine collection --first-stage bm25.trec --negatives 1 --out mined.jsonl"),
    "mined.jsonl"),
    "fuse": Command(_words("ir-eval fuse bm25.trec bm25.trec --out fused.trec"), "fused.trec"),
    "submit": Command(
        _words("ir-eval submit dev.trec dev.trec --id 20260131-ours --team us --model BM25 --out submissions"),
        "submissions",
        again=False,
    ),
    "export": Command(_words("gemma-st export reranker exported"), "exported", again=False),
    "train": Command(_words("gemma-st train stage.toml"), "trained", skipped=("checkpoints",)),
    "glue": Command(
        _words("gemma-st glue decoder --task sst-2 --data glue --out scores --epochs 1 --max-length 16"),
        "scores",
        skipped=("seed-0",),
    ),
}  # fmt: skip


@cache
def prepared(root: Path) -> Path:
    """Write everything that the commands read, once, and return its folder."""
    folder = root / "prepared"
    write_reranker(write_decoder(root))
    folder.mkdir()
    for model, name in (("tiny-gemma", "decoder"), ("tiny-reranker", "reranker")):
        shutil.copytree(next(root.rglob(model)), folder / name)
    write(BEIR, folder / "collection")
    write({f"SST-2/{name}.tsv": GLUE for name in ("train", "dev", "test")}, folder / "glue")
    lists = "".join(json.dumps(LIST) + "\n" for _ in range(4))
    texts = {"bm25.trec": RUN, "dev.trec": NUMBERED, "stage.toml": STAGE, "lists.jsonl": lists}
    write({name: text.encode() for name, text in texts.items()}, folder)
    return folder


def fresh(root: Path, name: str) -> Path:
    """Return a new copy of the prepared folder; the copy of an earlier try is removed."""
    shutil.rmtree(root / name, ignore_errors=True)
    return shutil.copytree(prepared(root), root / name)


@dataclass
class Started:
    """A process that runs a command."""

    process: BaseProcess
    log: Path
    reader: Thread

    def wait(self) -> int:
        """Return its exit code; after `PATIENCE` it is killed."""
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.reader.join(PATIENCE)
        return self.process.exitcode or 0

    def kill_after(self, seconds: float) -> None:
        """Kill it after so many seconds, unless it ends before."""
        self.process.join(seconds)
        self.process.kill()
        self.process.join()
        self.reader.join(PATIENCE)

    @property
    def fault(self) -> str:
        """What is wrong with its exit code and its messages, or ""; a refusal of one line is right."""
        text, code = self.log.read_text(errors="replace"), self.process.exitcode
        if "Traceback (most recent call last)" in text:
            return f"a traceback: {text.strip().splitlines()[-1][:200]}"
        refused = [line for line in text.splitlines() if line.startswith(("ir-eval: error: ", "gemma-st: error: "))]
        if code == 2 and len(refused) != 1:
            return f"exit code 2 with {len(refused)} messages: {text[-200:]!r}"
        return "" if code in (0, 2) else f"exit code {code}: {text[-200:]!r}"


def start(
    command: Command,
    folder: Path,
    *,
    limit: int | None = None,
    cache_folder: Path | None = None,
    log: Path | None = None,
) -> Started:
    """Start a command in a folder; no file that it writes may be larger than a ``limit`` in bytes."""
    log = log or folder.with_name(f"{folder.name}-{next(_numbers)}.log")
    messages, printed = _context().Pipe(duplex=False)  # a file would have the limit, too
    given = (command.words, folder, printed, limit, cache_folder or folder / "cache")
    process = _context().Process(target=_work, args=given)
    process.start()
    printed.close()
    reader = Thread(target=_copy, args=(messages, log), daemon=True)
    reader.start()
    return Started(process, log, reader)


def _copy(messages: Connection, log: Path) -> None:
    """Write what a process prints to a file, until it ends."""
    with log.open("wb", buffering=0) as file:
        while part := os.read(messages.fileno(), 65536):
            file.write(part)


@cache
def _context() -> ForkServerContext:
    """Return the context of a server that has imported the libraries; each command is a fork of it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.preloaded"])
    return context


def _work(words: tuple[str, ...], folder: Path, printed: Connection, limit: int | None, cache_folder: Path) -> None:
    """Run a command line as its program does."""
    from gemma_st.cli import main as gemma_st
    from ir_eval.cli import main as ir_eval

    for stream in (sys.stdout, sys.stderr):
        os.dup2(printed.fileno(), stream.fileno())
    printed.close()
    os.chdir(folder)
    os.environ |= {"IR_EVAL_CACHE": str(cache_folder), "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)}
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    main: Callable[[tuple[str, ...]], int] = {"ir-eval": ir_eval, "gemma-st": gemma_st}[words[0]]
    try:
        code = main(words[1:])
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def snapshot(path: Path, skipped: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the content of every file under its final name, without times; hidden files are not final."""
    files = [path] if path.is_file() else sorted(part for part in path.rglob("*") if part.is_file())
    named = {str(file.relative_to(path)): file for file in files}
    return {name: _content(file) for name, file in named.items() if not _passing(name, skipped)}


def _passing(name: str, skipped: tuple[str, ...]) -> bool:
    return any((part.startswith(".") and part != ".") or part in skipped for part in Path(name).parts)


def _content(file: Path) -> object:
    data = file.read_bytes()
    if file.suffix == ".json" and data.strip():
        try:
            return _timeless(json.loads(data))
        except ValueError:
            return data
    return data.rstrip()[-8:] if file.suffix in TIMED else data


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in VOLATILE}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def half_files(found: dict[str, object], whole: dict[str, object]) -> Iterator[str]:
    """Yield the files under a final name that an uninterrupted run does not write so."""
    yield from (name for name, content in found.items() if whole.get(name) != content)
