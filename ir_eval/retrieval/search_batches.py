"""Long searches batch by batch: each is kept once it is found, so that an interrupted search goes on where it was."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from ir_eval.cache import cache_dir, content_key, remembered
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.progress import progress_bar
from ir_eval.retrieval import Retrieved, Retriever

T = TypeVar("T")
Topics = list[tuple[str, str]]

TOPICS_AT_ONCE = 512  # searched and kept together: after these the bar moves, and this much an interruption can cost
SECONDS = struct.Struct("<d")  # stands before the run of a batch


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, the last of them shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def retrieve_in_batches(
    retriever: Retriever, topics: Mapping[str, str], k: int, *, search: Callable[[Topics, int, Path], None]
) -> Retrieved:
    """Search for batches of topics that nobody searched for before, and join them all to one run.

    The retriever is prepared where there are any; neither that nor reading what is kept is part of the time.

    Topics are put in the order of their ids first: their order must not decide which of them share a batch, since a
    model's vectors differ in the last bit with what they are computed beside.

    Args:
        retriever: Gives name and key.
        topics: Query id to query text.
        k: Documents wanted for each.
        search: Writes the TREC run of some topics to a path.

    Raises:
        InputError: ``k`` is below 1, or no document is found for any topic.
    """
    if k < 1:
        raise InputError(f"{retriever.name} for the best {k} documents; expected at least 1")
    key, seconds = retriever.key, 0.0
    lots = {_place(key, k, batch): batch for batch in batches(sorted(topics.items()), TOPICS_AT_ONCE)}
    if not all((cache_dir() / place).is_file() for place in lots):
        retriever.prepare()  # before the first of them, or its time and its bar would be part of the search's
    with TemporaryDirectory() as scratch, progress_bar() as bar:
        task = bar.add_task(f"searching with {retriever.name}", total=len(topics))
        found, part = Path(scratch, "run"), Path(scratch, "part")
        with found.open("wb") as run:
            for place, batch in lots.items():
                kept = remembered(place, partial(_timed, search, batch, k, part))
                seconds += SECONDS.unpack_from(kept)[0]
                run.write(kept[SECONDS.size :])
                bar.advance(task, len(batch))
        if not found.stat().st_size:
            raise InputError(
                f"{retriever.name}: no document for any of {len(topics)} topics; "
                "expected topics in the language of the collection"
            )
        return Retrieved(Run.read(found, name=retriever.name), seconds)


def _place(key: str, k: int, batch: Topics) -> str:
    content = content_key("run", key, k, *chain.from_iterable(batch))
    return f"runs/{content[:2]}/{content[2:34]}"


def _timed(search: Callable[[Topics, int, Path], None], batch: Topics, k: int, path: Path) -> bytes:
    start = perf_counter()
    search(batch, k, path)
    return SECONDS.pack(perf_counter() - start) + path.read_bytes()
