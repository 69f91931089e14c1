"""A pretrained decoder as the first module of a sentence-transformers model, with the attention mask of your choice."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gemma_st.errors import ModelError
from gemma_st.modeling.families import IMPLEMENTATIONS, Family, encoder_config, family
from gemma_st.names import loading

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Attention = Literal["bidirectional", "causal"]
SHOWN = 3  # tensors named in an error


def backbone(
    source: "str | Path | PreTrainedConfig",
    *,
    attention: Attention = "bidirectional",
    padding_side: Literal["left", "right"] = "right",
    max_length: int | None = None,
    dtype: str = "float32",
    attn_implementation: str | None = None,
    revision: str | None = None,
    tokenizer: "str | Path | PreTrainedTokenizerBase | None" = None,
) -> "Transformer":
    """Load a text decoder of any family as a stock sentence-transformers ``Transformer``.

    The mask is nothing but a key of the transformers configuration (see [gemma_st.modeling.families][]), so that the
    saved model is a plain Gemma which any later load (stock, resumed, with an adapter) reads with the same mask. Of a
    multimodal Gemma 3 the text tower is taken, as a Gemma 3 text model; of a T5Gemma the encoder, as the Gemma 2 that
    it is.

    Args:
        source: A directory or a hub id; or a transformers configuration, whose weights are drawn from torch's global
            random state.
        attention: ``"bidirectional"`` lets every token see every other; ``"causal"`` leaves the decoder as it was.
        padding_side: Where short rows are filled; kept in the saved tokenizer.
        max_length: Longest input in tokens; the model's own limit if not given.
        dtype: Weight type, as torch names it.
        attn_implementation: ``"sdpa"``, ``"eager"``, …; the model's default if not given.
        revision: Branch, tag or commit of the source on the hub.
        tokenizer: A directory, a hub id or a tokenizer, in place of the source's own; a configuration needs one.

    Raises:
        ModelError: An argument is off, or the source cannot be loaded in full.
    """
    _check("attention", attention, ("bidirectional", "causal"))
    _check("padding_side", padding_side, ("left", "right"))
    _check("dtype", dtype, ("float32", "bfloat16", "float16"))
    if max_length is not None and max_length < 1:
        raise ModelError(f"max_length={max_length} leaves no room for a token; give at least 1")
    safe: dict[str, Any] = {"trust_remote_code": False}
    at = {**safe, **({"revision": revision} if revision else {})}
    options = {"dtype": dtype, **({"attn_implementation": attn_implementation} if attn_implementation else {})}
    label = str(source) if isinstance(source, str | Path) else type(source).__name__
    with loading(label), _readable(label):
        config = _config(source, at)
        _check_family(family(config), dtype, attn_implementation)
        words = _tokenizer(source, at) if tokenizer is None else _tokenizer(tokenizer, safe)
        plain = encoder_config(config, attention)
        if isinstance(source, str | Path):
            network = _pretrained(label, plain, family(config), {**at, **options})
        else:
            network = _random(plain, words, options)
        module = _module(network, words, {"padding_side": padding_side}, max_length)
    _complete_tokenizer(module.tokenizer, label)
    return module


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turn what transformers raises for values of a configuration that it does not know into one line."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        yield
    except (StrictDataclassError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"model {source!r} has a value in its config.json that cannot be used: {reason}") from error


def _config(source: "str | Path | PreTrainedConfig", at: dict[str, Any]) -> "PreTrainedConfig":
    """Return the source's configuration; refuse a source that holds only what was added to another model."""
    if not isinstance(source, str | Path):
        return source
    from transformers import AutoConfig
    from transformers.utils import find_adapter_config_file

    if find_adapter_config_file(str(source), revision=at.get("revision")):
        raise ModelError(
            f"model {str(source)!r} is an adapter without its base; expected a whole model: merge the two and save that"
        )
    return AutoConfig.from_pretrained(str(source), **at)


def _pretrained(source: str, config: "PreTrainedConfig", kind: Family, options: dict[str, Any]) -> "PreTrainedModel":
    """Load the text encoder of a checkpoint: every tensor of it, from safetensors, or not at all."""
    from transformers import AutoModel

    try:
        network, report = AutoModel.from_pretrained(
            source,
            config=config,
            key_mapping=dict(kind.tensors),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in the report, which is refused below
            **options,
        )
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        raise ModelError(
            f"model {source!r} has no model.safetensors; pickled weights can run code and are not read: "
            "convert them with from_pretrained(…).save_pretrained(…) where you trust them"
        ) from error
    _refuse_incomplete(source, network, report)
    if kind.tensors:
        # Saving would turn the names back into the checkpoint's, which config.json no longer describes.
        network.__dict__.pop("_weight_conversions", None)
    return network


def _refuse_incomplete(source: str, network: "PreTrainedModel", report: dict[str, Any]) -> None:
    """Raise where transformers only warns: a tensor is missing and was made up, is misshapen, or is of no use."""
    faults = [
        *(f"{key} is missing" for key in sorted(report["missing_keys"])),
        *(f"{key} is {tuple(found)}, not {tuple(due)}" for key, found, due in sorted(report["mismatched_keys"])),
        *(f"{key} has no place" for key in sorted(report["unexpected_keys"]) if _belongs(key, network)),
    ]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ModelError(
            f"model {source!r} does not load in full as a {type(network).__name__}: {', '.join(faults[:SHOWN])}{more}; "
            "its weights must be those that its config.json describes: get both anew"
        )


def _belongs(tensor: str, network: "PreTrainedModel") -> bool:
    """Tell a tensor of the text encoder from one of a head, a vision tower or a decoder that nobody asked for."""
    first = tensor.removeprefix(f"{network.base_model_prefix}.").partition(".")[0]
    return first in dict(network.named_children())


def _random(
    config: "PreTrainedConfig", tokenizer: "PreTrainedTokenizerBase", options: dict[str, Any]
) -> "PreTrainedModel":
    """Make a network of random weights."""
    from transformers import AutoModel

    if len(tokenizer) > config.vocab_size:
        raise ModelError(
            f"vocab_size={config.vocab_size} is too small for the tokenizer's {len(tokenizer)} tokens; make it as large"
        )
    return AutoModel.from_config(config, trust_remote_code=False, **options).eval()


def _tokenizer(
    source: "str | Path | PreTrainedConfig | PreTrainedTokenizerBase", at: dict[str, Any]
) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer, PreTrainedConfig

    if isinstance(source, PreTrainedConfig):
        raise ModelError(f"a {type(source).__name__} has no tokenizer; give tokenizer=, a directory or hub id")
    return AutoTokenizer.from_pretrained(str(source), **at) if isinstance(source, str | Path) else source


def _module(
    network: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    processor_kwargs: dict[str, Any],
    max_length: int | None,
) -> "Transformer":
    """Put a network and a tokenizer into the stock module.

    It can only load for itself, without a report of what was missing. So it is led to a folder with everything but
    weights, and handed the network in their place; were it ever to look for them, it would raise.
    """
    from sentence_transformers.base.modules import Transformer

    class Handed(Transformer):
        def _load_model(self, *args: object, **kwargs: object) -> "PreTrainedModel":
            return network

    if max_length:
        processor_kwargs["model_max_length"] = max_length
    with tempfile.TemporaryDirectory() as folder:
        network.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        _forget_processor(Path(folder))
        module = Handed(folder, transformer_task="feature-extraction", processor_kwargs=processor_kwargs)
    module.__class__ = Transformer
    module.tokenizer.name_or_path = tokenizer.name_or_path
    return module


def _forget_processor(folder: Path) -> None:
    """Make a tokenizer one of text alone: that of any Gemma 3 asks for a processor of images beside it."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("processor_class", None)
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _complete_tokenizer(tokenizer: "PreTrainedTokenizerBase", source: str) -> None:
    """Refuse the empty tokenizer that is made up where its files are missing; let one without a pad token pad."""
    if set(tokenizer("token").input_ids) <= set(tokenizer.all_special_ids):
        raise ModelError(f"model {source!r} has no tokenizer of its own: every word is unknown to it; add its files")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(f"model {source!r} has neither a padding nor an end token; set its tokenizer's pad_token")
        tokenizer.pad_token = tokenizer.eos_token


def _check_family(kind: Family, dtype: str, attn_implementation: str | None) -> None:
    """Refuse what the family is known not to bear."""
    if dtype in kind.not_in:
        raise ModelError(f"dtype={dtype!r} overflows in {kind.name}; use bfloat16 or float32")
    if attn_implementation in set(IMPLEMENTATIONS) - set(kind.implementations):
        allowed = ", ".join(kind.implementations)
        raise ModelError(f"{kind.name} cannot run attn_implementation={attn_implementation!r}; use one of {allowed}")


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{name}={value!r} is not known; use one of {', '.join(allowed)}")
