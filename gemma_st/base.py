"""The base of our two model classes: model names, our poolers, the mask check at load, and version requirements."""

import functools
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util import batch_to_device
from torch import nn
from transformers import PreTrainedTokenizerBase

from gemma_st.errors import ModelError
from gemma_st.modeling.backbone import complete_padding, refuse_incomplete
from gemma_st.modeling.masks import Attention, verify_attention
from gemma_st.modeling.pair_checks import refuse_characters, texts_of
from gemma_st.modeling.plain_text import chat_as_text, control_tokens, read_as_text
from gemma_st.modeling.pooling import AttentionPooling, FirstK, LastK, refuse_empty, refuse_empty_rows
from gemma_st.modeling.precision import read_dtypes, refuse_precision
from gemma_st.modeling.saved_model import SavedModel, finder
from gemma_st.modeling.saved_weights import ADAPTER, WEIGHTS, read_header, refuse_incomplete_base
from gemma_st.modeling.truncation import refuse_lengths
from gemma_st.names import guessing, loading, locate

if TYPE_CHECKING:
    from sentence_transformers.base.model import BaseModel as Base
    from transformers import PreTrainedModel
else:
    Base = object

# Our classes that modules.json may name without trust_remote_code.
OWN_MODULES: dict[str, type[nn.Module]] = {
    f"{module.__module__}.{module.__name__}": module for module in (AttentionPooling, FirstK, LastK)
}
# Models saved by version 0.2 name the classes by their former modules.
OWN_MODULES |= {name.replace(".modeling", ""): module for name, module in OWN_MODULES.items()}
REQUIREMENTS = {
    "transformers": {"specifier": ">=5.2", "reason": "An older one ignores is_causal and scores with a causal mask."},
    "sentence-transformers": {"specifier": ">=6.2", "reason": "The oldest version that was tested with this format."},
}
OWN_REQUIREMENT = {
    "gemma-encoder": {"specifier": ">=0.1", "reason": "Its pooler is part of gemma_st; pass trust_remote_code=True."}
}
_tokenizing = Lock()  # the stock preprocess changes the tokenizer's truncation and padding, which all threads share
READ_LAST = "tokenizer.json, tokenizer_config.json or sentence_bert_config.json"  # read last


class _WholeTransformer(Transformer):
    """The stock module, which also refuses weights that do not load in full, and names the files at fault."""

    def _load_config(self, model_name_or_path: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        with loading(model_name_or_path, "config.json, or adapter_config.json of an adapter"):
            return super()._load_config(model_name_or_path, *args, **options)

    def _load_model(self, *args: Any, **options: Any) -> "PreTrainedModel":
        self.__class__ = Transformer  # the class whose name is saved
        if args[3] != "torch":
            return Transformer._load_model(self, *args, **options)
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # refuse_incomplete raises
        is_adapter = args[4]
        file = ADAPTER if is_adapter else WEIGHTS
        with loading(args[0], f"{'adapter_config.json' if is_adapter else 'config.json'} or {file}"):
            found: Any = Transformer._load_model(self, *args, **options)
        refuse_incomplete(args[0], *found, saved=Path(args[0]).is_dir(), file=file)
        base = finder(args[2].name_or_path)("config.json") if is_adapter else None
        if base:
            refuse_incomplete_base(found[0], read_header(base.parent))
        return found[0]


def _naming(kind: Any, files: str) -> type[nn.Module]:  # noqa: ANN401
    """Return a stand-in for a module's class, which names the files, in ``{folder}``, if it cannot be loaded."""
    load = kind.load
    if len(inspect.signature(load).parameters) == 1:
        return cast(type[nn.Module], kind)

    @functools.wraps(load)
    def named(name: str, *args: Any, subfolder: str = "", **options: Any) -> nn.Module:
        with loading(name, files.format(folder=subfolder)):
            return cast(nn.Module, load(name, *args, subfolder=subfolder, **options))

    return cast(type[nn.Module], SimpleNamespace(load=named))


class Encoder(Base):
    """Mixin for a stock model class, listed before it among the bases of `CrossEncoder` and `SentenceTransformer`.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> model = CrossEncoder("reranker")
        >>> model.attention, type(model.transformers_model).__name__
        ('bidirectional', 'GemmaModel')
    """

    _module_classes: Mapping[str, type[nn.Module]] = OWN_MODULES
    dtypes: list[str] | None = None  # the only number types that the model computes in, if it needs one

    @contextmanager
    def _loading(
        self,
        name: str | Path | None,
        modules: Sequence[nn.Module] | Mapping[str, nn.Module] | None,
        *,
        trusted: bool = False,
        **hub: Any,
    ) -> Iterator[str | None]:
        """Check the files of a model and give the place to load it from; afterwards verify its mask and weights.

        ``hub`` are options of the hub, such as ``revision``. Its pooler is made to refuse empty texts.
        """
        if (name is None) == (modules is None):
            raise ModelError(f"{type(self).__name__} takes either a name or modules; give one of them")
        path = None if name is None else locate(name, self.default_huggingface_organization)
        with guessing(name, path), loading(name or "in memory"):
            if path:
                SavedModel(path, finder(path, **hub), self.model_type, trusted).refuse_broken()
            yield path
            for module in self:
                if isinstance(module, Pooling):
                    refuse_empty(module)
            self._read_as_text()
            self._longest(None, None)
            self._refuse_precision()
            if name:
                self._verify(str(name))
                self._probe(str(name))

    def _verify(self, name: str) -> None:
        """Verify that the mask is one of the two and the one it claims to be, and that the weights are finite."""
        causal = getattr(getattr(self.transformers_model, "config", None), "is_causal", False)
        if not isinstance(causal, bool):
            raise ModelError(f"model {name!r}: is_causal = {causal!r} in config.json; expected true or false; set it")
        for key, tensor in self.state_dict().items():
            if tensor.dtype.itemsize > 1 and not bool(tensor.isfinite().all()):
                place, _, own = key.partition(".")
                own_file = ADAPTER if ".lora_" in own else WEIGHTS
                folder = "" if place == "0" else f"{place}_{type(self.get_submodule(place)).__name__}/"
                raise ModelError(
                    f"model {name!r}: {folder}{own_file}: {own} is not finite in {tensor.dtype}; "
                    "train or download it again"
                )
        if self.attention == "bidirectional":
            verify_attention(self, self.attention)

    def _probe(self, name: str) -> None:
        """Score a short and a longer test input: a tokenizer or a module that does not fit is found at load."""
        routed = any(isinstance(module, Router) for module in self)  # needs to be told the route
        if routed or not self.supports("text") or self.device.type == "meta":
            return
        vocabulary = getattr(getattr(self.transformers_model, "config", None), "vocab_size", None)
        if vocabulary and isinstance(self.tokenizer, PreTrainedTokenizerBase):
            complete_padding(self.tokenizer, vocabulary, name)
        texts = ["a", "do goldfish grow"]
        inputs: list[Any] = [(text, text) for text in texts] if self.model_type == "CrossEncoder" else texts
        with loading(name, READ_LAST), torch.inference_mode():
            self(batch_to_device(super().preprocess(inputs), self.device))

    def _load_module_class_from_ref(self, *args: Any, **kwargs: Any) -> type[nn.Module]:
        found: type[nn.Module] = super()._load_module_class_from_ref(*args, **kwargs)
        if found is Transformer:
            return _naming(_WholeTransformer, READ_LAST)
        return _naming(found, "{folder}/config.json or {folder}/model.safetensors")

    def _read_as_text(self) -> None:
        """Make special tokens within texts plain text; a chat template needs them, so ``preprocess`` masks those."""
        for module in self.modules():
            if isinstance(module, Transformer) and module.tokenizer is module.processor and not _renders_chat(module):
                read_as_text(module.processor)

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        *,
        max_length: int | None = None,
        processing_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Tokenize inputs; special tokens that they or the prompt spell out are plain text.

        ``max_length`` in tokens is the model's own if not given; ``kwargs`` are options of the stock
        ``Transformer.preprocess``.
        """
        refuse_characters(inputs, prompt)
        self._longest(max_length, processing_kwargs)
        given = {"max_length": max_length, "processing_kwargs": processing_kwargs}
        options = kwargs | {name: value for name, value in given.items() if value is not None}
        with _tokenizing, ExitStack() as undo:
            if not getattr(self.tokenizer, "split_special_tokens", True):  # also if somebody has replaced it
                self._read_as_text()
                if _renders_chat(self[0]) and control_tokens(self.tokenizer, [*texts_of(inputs), prompt or ""]):
                    undo.enter_context(chat_as_text(self.tokenizer))
            try:
                features: dict[str, Any] = super().preprocess(inputs, prompt, **options)
            except ModelError:
                raise
            except ValueError as error:  # of a kind of input that the model does not take, or of several kinds
                raise ModelError(" ".join(str(error).split())) from error
        for module in self:
            refuse_empty_rows(features, module)
        return features

    def _longest(self, max_length: int | None, processing_kwargs: Mapping[str, Any] | None) -> int | None:
        """Return the maximum length of an input in tokens; a length that the model cannot read is an error."""
        module, own = self[0], getattr(self[0], "max_seq_length", None)
        config = getattr(getattr(module, "model", None), "config", None)
        known = getattr(config.get_text_config(), "max_position_embeddings", None) if config else None
        asked = self._text_options(processing_kwargs).get("max_length", max_length)
        refuse_lengths({"max_length": own if asked is None else asked}, known)
        budgets = {name: getattr(module, name, None) for name in ("query_length", "document_length")}
        refuse_lengths(budgets, own)
        return own if asked is None else asked

    def _text_options(self, processing_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the tokenizer's options that the model or the call names; as in the stock class, common ones win."""
        found: dict[str, Any] = {}
        for kind in ("text", "common"):
            for given in (getattr(self[0], "processing_kwargs", None), processing_kwargs):
                found |= (given or {}).get(kind) or {}
        return found

    def _refuse_precision(self) -> None:
        refuse_precision([*self], self.config, dtypes=self.dtypes, device=self.device.type)

    def _inference(self, inputs: list[Any], **kwargs: Any) -> Any:  # noqa: ANN401  # tensors or lists of them
        """Check the number type, which a compiled forward pass does not, and run."""
        self._refuse_precision()
        return super()._inference(inputs, **kwargs)

    def forward(self, input: dict[str, Any], **kwargs: Any) -> dict[str, Any]:  # noqa: A002  # the stock name
        """Run the modules on a tokenized batch, in a number type that the model computes in."""
        if not torch.compiler.is_compiling():
            self._refuse_precision()
        features: dict[str, Any] = super().forward(input, **kwargs)
        return features

    @property
    def transformers_model(self) -> "PreTrainedModel":
        """The transformers network, such as a ``GemmaModel``; None only for a model without one."""
        return super().transformers_model

    @property
    def attention(self) -> Attention:
        """The mask that the configuration asks for: ``"bidirectional"`` or ``"causal"``."""
        config = getattr(self.transformers_model, "config", None)
        claims = getattr(config, "is_causal", None) is False, getattr(config, "use_bidirectional_attention", None)
        return "bidirectional" if any(claims) else "causal"

    @property
    def own_modules(self) -> list[str]:
        """The names of those of its classes that the stock class loads only with ``trust_remote_code=True``."""
        return sorted({type(module).__name__ for module in self if type(module) in OWN_MODULES.values()})

    def fingerprint(self) -> str:
        """Return a SHA-256 (64 hex digits) of everything that affects an output, library versions included."""
        tokenizer: Any = getattr(self.tokenizer, "backend_tokenizer", self.tokenizer)
        # Left out: how the last batch was padded and truncated, and the version that wrote the configuration.
        spelling = {**json.loads(tokenizer.to_str()), "padding": None, "truncation": None}
        config = {**self.config.to_diff_dict(), "transformers_version": None, "dtype": None} if self.config else {}
        # Only a cross-encoder has an activation and a stride, and only a transformers tokenizer has a padding side.
        own = (getattr(self, name, None) for name in ("activation_fn", "stride", "max_seq_length"))
        settings = [*own, self.device.type, getattr(self.tokenizer, "padding_side", "")]
        versions = [version(name) for name in ("gemma-encoder", "torch", "transformers", "sentence-transformers")]
        parts = [*versions, str(self), *map(str, settings)]
        parts += [json.dumps(part, sort_keys=True, default=str) for part in (spelling, config, self.prompts)]
        digest = hashlib.sha256("\0".join([*parts, str(self.default_prompt_name)]).encode())
        for key, tensor in sorted(self.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def _get_model_config(self) -> dict[str, Any]:
        """Add the versions that the model requires; with older ones the stock class refuses to load it."""
        requirements = REQUIREMENTS | (OWN_REQUIREMENT if self.own_modules else {})
        needs = {"dtypes": self.dtypes} if self.dtypes else {}
        return {**super()._get_model_config(), "requirements": requirements, **needs}

    def _parse_model_config(self, model_config: dict[str, Any]) -> None:
        super()._parse_model_config(model_config)
        self.dtypes = read_dtypes(model_config.get("dtypes"))


def _renders_chat(module: nn.Module) -> bool:
    return "message" in getattr(module, "modality_config", {})
