"""A saved model is checked as a whole before it is loaded; what the libraries replace with a default is an error."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gemma_st.errors import ModelError
from gemma_st.modeling.saved_json import REPAIR, check_json, numbers, read_json
from gemma_st.modeling.saved_weights import (
    ADAPTER,
    INDEX,
    WEIGHTS,
    Header,
    read_header,
    refuse_integers,
    refuse_sizes,
    shard_names,
)

Find = Callable[[str], Path | None]
CONFIGURED = ("Dense", "LayerNorm", "Pooling", "AttentionPooling", "FirstK", "LastK")  # have a config.json
WEIGHTED = ("Dense", "LayerNorm", "AttentionPooling")  # have a model.safetensors
FOLDER = re.compile(r"\d+_[A-Z]\w*")  # how the stock class names the folder of a module
POSITIVE = ("rope_theta", "norm_eps")  # ends of the keys of numbers above 0
HEADS = "ForSequenceClassification"  # networks with a trained head of their own


def finder(name: str, **hub: Any) -> Find:  # noqa: ANN401
    """Return a function from the name of a model's file to its path, or None if the model has no such file.

    ``hub`` are options of the hub, such as ``revision``; a file of a hub id is downloaded or found in the cache.

    Examples:
        >>> finder("reranker")("modules.json")
        PosixPath('reranker/modules.json')
    """
    folder = Path(name)
    if folder.is_dir():
        return lambda file: folder / file if os.path.lexists(folder / file) else None
    from sentence_transformers.util import load_file_path

    return lambda file: Path(found) if (found := load_file_path(name, file, **hub)) else None


@dataclass(frozen=True)
class SavedModel:
    """A model on disk or on the hub, before it is loaded.

    Attributes:
        name: Directory or hub id.
        find: From the name of a file to its path; see ``finder``.
        kind: The class to load it as, ``"CrossEncoder"`` or ``"SentenceTransformer"``.
        trusted: Whether activations of other packages may be loaded.

    Examples:
        >>> SavedModel("reranker", finder("reranker"), "CrossEncoder").refuse_broken()
    """

    name: str
    find: Find
    kind: str
    trusted: bool = False

    def refuse_broken(self) -> None:
        """Raise a ModelError that names the file at fault."""
        if self.find("modules.json") is None:
            self._refuse_headless()
            return
        self._refuse_unlisted()
        self._refuse_settings()
        if self.modules[0]["type"].endswith(".Transformer"):
            self._refuse_network(self.modules[0]["path"])
        inputs = [self._later(module).get("module_input_name", "sentence_embedding") for module in self.modules[1:]]
        for place, module in enumerate(self.modules[1:]):
            self._refuse_later(module, needed=inputs[place + 1 :])

    def _refuse_headless(self) -> None:
        """Refuse what the stock classes would give a random head, or score by yes against no."""
        if (path := self.find("config.json")) is None:
            return  # the libraries say what is missing
        checked = check_json(path, read_json(path), "network")
        config = dict(checked)
        first = str((checked.get("architectures") or ["model"])[0])
        if not first.endswith(HEADS):
            builder = "cross_encoder" if self.kind == "CrossEncoder" else "sentence_transformer"
            built = f"build one with gemma_st.build.{builder}"
            raise ModelError(f"{path}: a {first} without a pooler and a head; {built}")
        own = config.get("sentence_transformers")
        for key, found in {
            "sentence_transformers.activation_fn": own.get("activation_fn") if isinstance(own, dict) else None,
            "sbert_ce_default_activation_function": config.get("sbert_ce_default_activation_function"),
        }.items():
            if found is not None and not self.trusted:
                check_json(path, {key: found}, "activation")
        self._refuse_weights(path, config)

    @cached_property
    def modules(self) -> list[dict[str, Any]]:
        """The entries of modules.json."""
        path = self._path("modules.json")
        listed: list[dict[str, Any]] = check_json(path, read_json(path), "modules")
        faults = [module for place, module in enumerate(listed) if module.setdefault("idx", place) != place]
        names = {module.get("name") for module in listed}
        if faults or not listed or len(names) < len(listed) or any({"path", "type", "name"} - set(m) for m in listed):
            raise ModelError(f"{path}: expected modules with idx 0, 1, …, name, path and type; {REPAIR}")
        return listed

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The content of config_sentence_transformers.json."""
        path = self.find("config_sentence_transformers.json")
        if path is None and self.kind != "CrossEncoder":  # models of 2021 have none
            return {}
        path = path or self._path("config_sentence_transformers.json")
        found: Mapping[str, Any] = check_json(path, read_json(path), "settings")
        return found

    @property
    def ours(self) -> bool:
        """Whether this package saved it, with all the files and keys that it writes."""
        return "transformers" in self.settings.get("requirements", {})

    def _path(self, file: str) -> Path:
        """Return the path of a file that must be there."""
        if (path := self.find(file)) is None:
            of = ", in a folder that modules.json names" if "/" in file else ""
            raise ModelError(f"{self.name}: has no {file}{of}; {REPAIR}")
        return path

    def _refuse_unlisted(self) -> None:
        """Refuse a module that modules.json has lost: the stock class would do without it."""
        folder = self._path("modules.json").parent
        listed = {str(module["path"]).partition("_")[0] for module in self.modules}  # one of 2_Dense_256, 2_Dense_512
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            number = path.name.partition("_")[0]
            if path.is_dir() and FOLDER.fullmatch(path.name) and number not in listed and any(path.iterdir()):
                raise ModelError(f"{folder}/modules.json: does not list {path.name}; {REPAIR}")

    def _refuse_settings(self) -> None:
        settings, path = self.settings, self.find("config_sentence_transformers.json")
        saved = settings.get("model_type", "SentenceTransformer")
        if (self.kind == "CrossEncoder") != (saved == "CrossEncoder"):
            raise ModelError(
                f"{path}: model_type = {saved!r}; expected {self.kind!r}; load it as the class that it was saved from, "
                "or build a model of its decoder with gemma_st.build"
            )
        if path is None:
            return
        if self.kind == "CrossEncoder" and not self.trusted:
            if "activation_fn" not in settings:
                raise ModelError(f"{path}: has no activation_fn; expected a class of torch.nn; {REPAIR}")
            check_json(path, {"activation_fn": settings["activation_fn"]}, "activation")
        default = settings.get("default_prompt_name")
        if default is not None and default not in {"query", "document", *settings.get("prompts", {})}:
            raise ModelError(f"{path}: default_prompt_name = {default!r} is not in prompts; {REPAIR}")

    def _refuse_network(self, folder: str) -> None:
        """Check the first module: its own settings, the network's configuration and weights, and the tokenizer."""
        prefix = f"{folder}/" if folder else ""
        for file, kind, key in (
            ("sentence_bert_config.json", "first module", "modality_config.text"),
            ("tokenizer_config.json", "tokenizer", "tokenizer_class"),
        ):
            path = self._path(prefix + file) if self.ours else self.find(prefix + file)
            content: Any = check_json(path, read_json(path), kind) if path else {}
            if self.ours and key.rpartition(".")[2] not in content.get("modality_config", content):
                raise ModelError(f"{path}: has no {key}; {REPAIR}")
        adapter = self.find(f"{prefix}adapter_config.json")
        path = self._base(adapter) if adapter else self._path(f"{prefix}config.json")
        config = check_json(path, read_json(path), "network")
        self._refuse_config(path, dict(config))
        self._refuse_weights(path, dict(config))

    def _base(self, adapter: Path) -> Path:
        """Return the configuration of an adapter's base; refuse an adapter that does not fit its configuration."""
        config = check_json(adapter, read_json(adapter), "adapter")
        header = read_header(adapter.parent, ADAPTER)
        base, rank = config.get("base_model_name_or_path"), config.get("r")
        if base is None or rank is None or (header.shapes and rank not in header.dimensions):
            expected = f"expected the rank of {ADAPTER} and a model"
            raise ModelError(f"{adapter}: r = {rank}, base_model_name_or_path = {base!r}; {expected}; {REPAIR}")
        if (found := finder(base)("config.json")) is None:
            raise ModelError(f"{adapter}: its base {base!r} has no config.json; {REPAIR}")
        return found

    def _refuse_weights(self, path: Path, config: dict[str, Any]) -> None:
        if "quantization_config" not in config:  # packed weights have other shapes and types
            header = self._header(path.parent)
            refuse_sizes(path, config, header)
            refuse_integers(header)

    def _refuse_config(self, path: Path, config: dict[str, Any]) -> None:
        if self.ours and "is_causal" not in config and not config.get("use_bidirectional_attention"):
            raise ModelError(f"{path}: has no is_causal, so that the attention would be causal; {REPAIR}")
        for key, value in numbers(config).items():
            if not math.isfinite(value) or (key.endswith(POSITIVE) and value <= 0):
                raise ModelError(f"{path}: {key} = {value}; expected a finite number above 0; {REPAIR}")
        last = self._later(self.modules[-1]) if len(self.modules) > 1 else {}
        names, labels = config.get("id2label"), last.get("out_features")
        if self.kind == "CrossEncoder" and names is not None and labels and len(names) != labels:
            head = f"{self.modules[-1]['path']}/config.json"
            raise ModelError(f"{path}: id2label has {len(names)} names; expected {labels}, as in {head}; {REPAIR}")

    def _header(self, folder: Path) -> Header:
        """Return the header of the weights; of a model on the hub, of those that are in the cache already."""
        if not Path(self.name).is_dir():
            if (folder / INDEX).exists():
                shard_names(folder / INDEX)
                return Header(folder / INDEX)
            return read_header(folder)
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        if pickles and not list(folder.glob("*.safetensors")):
            raise ModelError(
                f"{folder / pickles[0]}: pickled weights can run code and are not read; expected {WEIGHTS}: "
                "convert them with from_pretrained(…).save_pretrained(…) where you trust them"
            )
        return read_header(folder)

    def _later(self, module: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the configuration of a module after the first one; empty for a class without."""
        name = module["type"].rpartition(".")[2]
        if name not in CONFIGURED:
            return {}
        path = self._path(f"{module['path']}/config.json")
        kind = "dense" if name == "Dense" and not self.trusted else "later module"
        found: Mapping[str, Any] = check_json(path, read_json(path), kind)
        return found

    def _refuse_later(self, module: Mapping[str, Any], *, needed: list[str]) -> None:
        """Check a module against its weights and against the modules that read its output."""
        config, name = self._later(module), module["type"].rpartition(".")[2]
        path = self.find(f"{module['path']}/config.json")
        if name == "Dense" and path:
            output = config.get("module_output_name") or config.get("module_input_name", "sentence_embedding")
            due = needed or ["scores" if self.kind == "CrossEncoder" else output]
            if "activation_function" not in config:
                raise ModelError(f"{path}: has no activation_function; expected a class of torch.nn; {REPAIR}")
            if output not in due:
                after = ", ".join(f"{later['path']}/config.json" for later in self.modules[module["idx"] + 1 :])
                reads = f"{after} reads" if after else "expected"
                raise ModelError(f"{path}: module_output_name = {output!r}; {reads} {due[0]!r}; {REPAIR}")
        if name in WEIGHTED and path and (header := self._header(path.parent)).shapes:
            refuse_integers(header)
            for key in ("in_features", "out_features", "dimension"):
                if key in config and config[key] not in header.dimensions:
                    raise ModelError(f"{path}: {key} = {config[key]}; {header.path} has another size; {REPAIR}")
