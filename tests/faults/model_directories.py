"""Broken directories of models: every way to damage a saved model that can be listed, each a function of a directory.

``damages(model)`` yields them; ``damage.apply(copy)`` does one to a copy; ``outcome(load, copy, expected, damage)`` is
empty if the copy loads with the expected scores or is refused well.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

Load = Callable[[Path], NDArray[np.float32]]
DEEP = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
CONTENT: dict[str, Callable[[bytes], bytes]] = {
    "is empty": lambda content: b"",
    "is blank": lambda content: b" \n",
    "is cut in the middle": lambda content: content[: len(content) // 2],
    "lacks its last byte": lambda content: content.rstrip()[:-1],
    "begins with a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "is UTF-16": lambda content: content.decode("latin-1").encode("utf-16"),
    "is null": lambda content: b"null",
    "is a number": lambda content: b"3",
    "is a text": lambda content: b'"text"',
    "is the other container": lambda content: b"{}" if content.lstrip().startswith(b"[") else b"[]",
    "is a list of lists": lambda content: b"[[]]",
    "is 100,000 levels deep": lambda content: DEEP,
    "is binary": lambda content: bytes(range(256)) * 8,
    "has 5,000 digits": lambda content: b'{"hidden_size": ' + b"9" * 5000 + b"}",
    "is a pointer to large files": lambda content: b"version https://git-lfs.github.com/spec/v1\nsize 1\n",
    "is a page of HTML": lambda content: b"<!DOCTYPE html><html><body>404</body></html>",
}
VALUES: dict[str, object] = {
    "null": None,
    "text": "nothing",
    "empty text": "",
    "zero": 0,
    "minus one": -1,
    "1.5": 1.5,
    "a billion": 10**9,
    "10^30": 10**30,
    "1e400": float("inf"),
    "nan": float("nan"),
    "true": True,
    "list": [],
    "list of 1": [1],
    "table": {},
}
ABSENT = object()
# What no check can know: one sound value in the place of another. The beginning of a damage → why it is legal.
LEGAL = {
    "config.json is_causal = true": "a decoder that stays causal",
    "config.json rms_norm_eps = 1.5": "any number above 0",
    "config.json rope_parameters.rope_theta": "any number above 0",
    "tokenizer.json pre_tokenizer": "another tokenizer",
    "tokenizer.json post_processor": "another template",
    "tokenizer.json model.end_of_word_suffix": "another tokenizer",
    "tokenizer.json model.merges": "another tokenizer",
}
TENSORS: dict[str, Callable[[dict[str, torch.Tensor], str], object]] = {
    "is missing": lambda tensors, key: tensors.pop(key),
    "is renamed": lambda tensors, key: tensors.update({f"{key}s": tensors.pop(key)}),
    "has a row more": lambda tensors, key: tensors.update({key: torch.cat([tensors[key], tensors[key][:1]])}),
    "has a dimension more": lambda tensors, key: tensors.update({key: tensors[key].unsqueeze(0)}),
    "is empty": lambda tensors, key: tensors.update({key: tensors[key][:0]}),
    "has one NaN": lambda tensors, key: tensors[key].view(-1)[-1].fill_(torch.nan),
    "is infinite": lambda tensors, key: tensors[key].fill_(-torch.inf),
    "is whole numbers": lambda tensors, key: tensors.update({key: tensors[key].to(torch.int8)}),
    "comes twice": lambda tensors, key: tensors.update({f"model.{key}": tensors[key].clone()}),
}


@dataclass(frozen=True)
class Damage:
    """A way to damage a model: the file at fault, what is done to it, and the function that does it to a directory."""

    file: str
    kind: str
    apply: Callable[[Path], object]

    def __str__(self) -> str:
        """Return file and kind, such as ``config.json hidden_size = null``."""
        return f"{self.file} {self.kind}"


def damages(model: Path) -> Iterator[Damage]:
    """Yield every damage of a saved model: of its files, of the keys in its JSON files, and of its tensors."""
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        name = str(path.relative_to(model))
        yield from file_damages(name)
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            yield from json_damages(name, content)
        if path.suffix == ".safetensors":
            yield from tensor_damages(name, list(load_file(path)))
    yield from folder_damages()


def file_damages(name: str) -> Iterator[Damage]:
    """Yield damages of a file as a whole."""
    yield Damage(name, "is missing", lambda model: (model / name).unlink())
    yield Damage(name, "is a folder", lambda model: ((model / name).unlink(), (model / name).mkdir()))
    yield Damage(name, "links to nothing", lambda model: _link(model / name, "absent"))
    yield Damage(name, "links to itself", lambda model: _link(model / name, Path(name).name))
    for kind, change in CONTENT.items():
        yield Damage(name, kind, partial(_rewrite, name=name, change=change))


def json_damages(name: str, content: Any, *, keys: tuple[str | int, ...] = ()) -> Iterator[Damage]:  # noqa: ANN401
    """Yield damages of each value of a JSON file, down to the third level; the vocabulary is left alone."""
    if len(keys) > 2 or (keys and keys[-1] in ("vocab", "merges", "added_tokens", "requirements", "__version__")):
        return
    places: list[tuple[str | int, Any]]
    places = list(content.items()) if isinstance(content, dict) else list(enumerate(content))
    for key, value in places:
        where = (*keys, key)
        shown = ".".join(map(str, where))
        for kind, new in VALUES.items():
            if type(new) is not type(value) or new != value:
                yield Damage(name, f"{shown} = {kind}", partial(_set, name=name, keys=where, value=new))
        yield Damage(name, f"{shown} is missing", partial(_set, name=name, keys=where, value=ABSENT))
        if isinstance(value, (dict, list)):
            yield from json_damages(name, value, keys=where)


def tensor_damages(name: str, tensors: list[str]) -> Iterator[Damage]:
    """Yield damages of each tensor of a safetensors file."""
    for key in tensors:
        for kind, damage in TENSORS.items():
            yield Damage(name, f"{key} {kind}", partial(_retensor, name=name, key=key, damage=damage))


def folder_damages() -> Iterator[Damage]:
    """Yield damages of the directory: pickled weights, and shards that lie elsewhere or nowhere."""
    shards = {"outside": "../outside.safetensors", "absolute": "/outside.safetensors", "absent": "part-1.safetensors"}
    yield Damage("pytorch_model.bin", "instead of safetensors", _pickle)
    for kind, target in shards.items():
        yield Damage("model.safetensors.index.json", f"names a shard that is {kind}", partial(_shard, target=target))


def outcome(load: Load, model: Path, expected: NDArray[np.float32], damage: Damage) -> str:
    """Return what is wrong with loading and scoring by a damaged model; empty if nothing is.

    A damaged model must score as before, or be refused with a ``ModelError`` of one line that names the file. Other
    scores are right for a damage in LEGAL.
    """
    from gemma_st import ModelError

    try:
        scores = load(model)
    except ModelError as error:
        message = str(error)
        lines = "" if "\n" not in message else "several lines: "
        return "" if not lines and damage.file in message else f"{lines}does not name {damage.file}: {message}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    legal = str(damage).startswith(tuple(LEGAL))
    return "" if legal or np.allclose(scores, expected, atol=1e-6) else "loads, with other scores"


def copies(model: Path, folder: Path) -> Iterator[tuple[Damage, Path]]:
    """Yield each damage and a damaged copy of the model, which is removed afterwards."""
    for damage in damages(model):
        copy = folder / "model"
        shutil.copytree(model, copy)
        damage.apply(copy)
        yield damage, copy
        shutil.rmtree(copy)
        (folder / "outside.safetensors").unlink(missing_ok=True)


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _rewrite(model: Path, *, name: str, change: Callable[[bytes], bytes]) -> None:
    path = model / name
    path.write_bytes(change(path.read_bytes()))


def _set(model: Path, *, name: str, keys: tuple[str | int, ...], value: object) -> None:
    path = model / name
    content = json.loads(path.read_text())
    parent = content
    for key in keys[:-1]:
        parent = parent[key]
    if value is ABSENT:
        del parent[keys[-1]]
    else:
        parent[keys[-1]] = value
    path.write_text(json.dumps(content))


def _retensor(model: Path, *, name: str, key: str, damage: Callable[[dict[str, torch.Tensor], str], object]) -> None:
    tensors: Mapping[str, torch.Tensor] = load_file(model / name)
    changed = dict(tensors)
    damage(changed, key)
    save_file(changed, model / name, metadata={"format": "pt"})


def _pickle(model: Path) -> None:
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()


def _shard(model: Path, *, target: str) -> None:
    weights = model / "model.safetensors"
    index = {"metadata": {}, "weight_map": dict.fromkeys(load_file(weights), target)}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    weights.rename(model.parent / "outside.safetensors")
