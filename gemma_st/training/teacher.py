"""A cross-encoder as teacher: its scores, and the states that its last layer reads, computed once for each pair.

They are kept in files under keys of content (the teacher's fingerprint, the query and the document), so that no pair
is scored twice, whichever file of lists it is in. A file holds at most `CHUNK` pairs and is there as a whole or not at
all: an interrupted run goes on after its last file.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from sentence_transformers.util import batch_to_device
from torch import nn

from gemma_st.errors import ModelError
from gemma_st.files import atomic_path, writing

if TYPE_CHECKING:
    from datasets import Dataset

Pair = tuple[str, str]
Chunk = Sequence[bytes]
Values = NDArray[np.float32]
CHUNK = 1024  # pairs in a file
BATCH = 32  # pairs in a forward pass
KEY_BYTES = 16
logger = logging.getLogger(__name__)


class Teacher:
    """A cross-encoder with one label that scores the documents of training lists.

    Args:
        name: Directory, packaged model or hub id of any cross-encoder, a stock classifier included.
        states: Whether each score is followed by the state that the teacher's last layer reads; of a BERT classifier
            this is the pooled ``[CLS]`` state.
        device: Device to compute on; the fastest one if not given.
        cache: Folder of the files; ``$GEMMA_ST_CACHE/teachers`` if not given, by default in ``~/.cache/gemma_st``.

    Examples:
        >>> from gemma_st.training.lists import read_lists
        >>> teacher = Teacher("reranker", states=True, cache=Path("cache"))
        >>> lists = teacher.label(read_lists([Path("lists.jsonl")]))
        >>> len(lists[0]["labels"]), len(lists[0]["labels"][0])  # two documents: a score and 32 values of the state
        (2, 33)
    """

    def __init__(
        self, name: str, *, states: bool = False, device: str | torch.device | None = None, cache: Path | None = None
    ) -> None:
        """Load the model."""
        from gemma_st.cross_encoder import CrossEncoder

        self.model = CrossEncoder(name, device=str(device) if device else None, activation_fn=nn.Identity()).eval()
        if self.model.num_labels != 1:
            raise ModelError(f"teacher {name!r} has {self.model.num_labels} labels; expected a reranker, which has 1")
        layers = [layer for layer in self.model.modules() if isinstance(layer, nn.Linear) and layer.out_features == 1]
        if states and (not layers or self.model.stride):
            reason = "reads long documents in windows" if layers else "has no last linear layer"
            raise ModelError(f"teacher {name!r} {reason}, so it has no state of a pair; expected another teacher")
        self.last, self.states = layers[-1] if layers else None, states
        self.fingerprint = self.model.fingerprint()
        self.folder = (cache or _cache()) / self.fingerprint[:KEY_BYTES] / ("states" if states else "scores")

    @property
    def width(self) -> int:
        """Number of values of a state."""
        return self.last.in_features if self.last else 0

    def label(self, data: "Dataset") -> "Dataset":
        """Return lists whose labels are the teacher's: a score for each document, or a score followed by its state.

        Of several processes, each scores its share of the pairs, and reads the other shares from their files.
        """
        pairs = [(row["query"], text) for row in data for text in row["documents"]]
        keys = [_key(pair) for pair in pairs]
        texts, known = dict(zip(keys, pairs, strict=True)), self._read(set(keys))
        order = sorted(texts, key=lambda key: (sum(map(len, texts[key])), key))
        rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        # A share is one of all pairs: what is missing differs between processes, since each writes files meanwhile.
        order = [key for key in order[rank::processes] if key not in known]
        logger.info("teacher: %d of %d pairs are to be scored", len(order), len(pairs))
        for chunk in _with_progress([order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]):
            self._write(chunk, self._values([texts[key] for key in chunk]))
        if processes > 1:
            dist.barrier()
        known |= self._read(texts.keys() - known.keys())
        return _with_labels(data, np.stack([known[key] for key in keys]), [len(row) for row in data["documents"]])

    def _values(self, pairs: list[Pair]) -> Values:
        """Return the score of each pair, followed by its state if states are asked for; (pairs, columns)."""
        if not self.states:
            scores: Values = self.model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
            return scores.reshape(len(pairs), 1)
        return np.concatenate([self._with_states(pairs[i : i + BATCH]) for i in range(0, len(pairs), BATCH)])

    @torch.inference_mode()
    def _with_states(self, pairs: list[Pair]) -> Values:
        """Return score and state of the pairs of a batch; (pairs, 1 + width)."""
        seen: list[torch.Tensor] = []
        hook = self.last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
        try:
            features = batch_to_device(self.model.preprocess(pairs), self.model.device)
            scores = self.model(features)["scores"].view(-1, 1)
        finally:
            hook.remove()
        values = torch.cat([scores.float(), seen[-1].view(len(pairs), -1).float()], 1)
        if not bool(values.isfinite().all()):
            raise ModelError("the teacher's scores or states are not finite; expected finite ones: use float32")
        found: Values = values.cpu().numpy()
        return found

    def _read(self, wanted: set[bytes]) -> dict[bytes, Values]:
        """Return the values of those wanted pairs that are in the files; states also hold the scores."""
        found: dict[bytes, Values] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with np.load(path) as file:
                    places = {key.tobytes(): place for place, key in enumerate(file["keys"])}
                    if here := wanted & places.keys():
                        values = file["values"]
                        found |= {key: values[places[key]] for key in here}
            except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
                raise ModelError(f"{path}: not a file of a teacher's scores ({error}); delete it") from error
        return found

    def _write(self, keys: Sequence[bytes], values: Values) -> None:
        """Write a file of keys and values, under a name that no other process uses."""
        with writing(self.folder, "the teacher's scores"), atomic_path(self.folder / _file_name()) as path:
            np.savez(path, keys=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES), values=values)


def _with_progress(chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """Yield chunks with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(chunks, "teacher", console=console, transient=True, disable=not console.is_terminal)


def _cache() -> Path:
    root = os.environ.get("GEMMA_ST_CACHE")
    parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root or Path(parent, "gemma_st")) / "teachers"


def _file_name() -> str:
    return f"{secrets.token_hex(8)}.npz"


def _key(pair: Pair) -> bytes:
    """Return a digest of a pair; the length of the query tells where the document begins."""
    query, document = (text.encode(errors="surrogatepass") for text in pair)
    return hashlib.blake2b(b"%d " % len(query) + query + document, digest_size=KEY_BYTES).digest()


def _with_labels(data: "Dataset", values: Values, sizes: Sequence[int]) -> "Dataset":
    """Return the data with other labels, given one after the other: (documents of all lists, columns)."""
    from datasets import Dataset

    rows = np.split(values[:, 0] if values.shape[1] == 1 else values, np.cumsum(sizes)[:-1])
    kept = data.select_columns(["query", "documents"])
    return Dataset.from_dict({**kept[:], "labels": rows})
