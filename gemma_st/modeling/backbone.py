"""A pretrained decoder as the first module of a sentence-transformers model, bidirectional or causal."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gemma_st.errors import ModelError
from gemma_st.modeling.families import IMPLEMENTATIONS, Family, encoder_config, family
from gemma_st.modeling.masks import Attention, set_mask
from gemma_st.modeling.saved_weights import WEIGHTS
from gemma_st.names import loading

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# The pooler of BERT, which sentence-transformers does not use, and buffers that old checkpoints hold.
UNUSED = re.compile(r"^pooler\.|(position_ids|inv_freq)$")
TENSORS_IN_ERROR = 3  # number of tensors that an error names


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

    The mask is a key of the transformers configuration (see ``gemma_st.modeling.masks``), so the saved model is a
    plain Gemma, and every later load (stock, resumed, with an adapter) reads it with the same mask. A multimodal
    Gemma 3 contributes its text model, as a Gemma 3 of text; a T5Gemma its encoder, as the equivalent Gemma 2.

    Args:
        source: A directory or a hub id; or a transformers configuration, whose weights are drawn from torch's global
            random state.
        attention: ``"bidirectional"`` lets every token see every other token; ``"causal"`` keeps the decoder's mask.
        padding_side: Side on which short rows are padded; saved with the tokenizer.
        max_length: Maximum length of an input in tokens; the model's own limit if not given.
        dtype: Weight type, by its torch name.
        attn_implementation: ``"sdpa"``, ``"eager"``, …; the model's default if not given.
        revision: Branch, tag or commit of the source on the hub.
        tokenizer: A directory, a hub id or a tokenizer to use instead of the source's own; a configuration needs it.

    Examples:
        >>> encoder = backbone("decoder", padding_side="left")
        >>> encoder.model.config.is_causal, encoder.tokenizer.padding_side
        (False, 'left')
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
    processor = {"padding_side": padding_side, **({"model_max_length": max_length} if max_length else {})}
    with loading(label):
        try:
            config = _config(source, at)
            _check_family(family(config), dtype, attn_implementation)
            given, where = (source, at) if tokenizer is None else (tokenizer, safe)
            fast = _tokenizer(given, {**where, **processor})
            plain = encoder_config(config)
            set_mask(plain, attention)
            if isinstance(source, str | Path):
                network = _pretrained(label, plain, family(config), {**at, **options})
            else:
                network = _random(plain, fast, options)
            module = _module(network, fast, processor)
        except KeyError as error:  # raised by transformers, such as for an unknown activation function
            raise ModelError(f"model {label!r} has a value in its config.json that cannot be used: {error}") from error
    _complete_tokenizer(module.tokenizer, module.model.config.vocab_size, label)
    return module


def _config(source: "str | Path | PreTrainedConfig", at: dict[str, Any]) -> "PreTrainedConfig":
    """Return the configuration of a source; refuse an adapter without its base model."""
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
    """Load the text encoder of a checkpoint from safetensors; a tensor that is missing or does not fit is an error."""
    from transformers import AutoModel

    try:
        network, report = AutoModel.from_pretrained(
            source,
            config=config,
            key_mapping=dict(kind.tensors),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # the report lists them, and refuse_incomplete raises
            **options,
        )
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        raise ModelError(
            f"model {source!r} has no model.safetensors; pickled weights can run code and are not read: "
            "convert them with from_pretrained(…).save_pretrained(…) where you trust them"
        ) from error
    refuse_incomplete(source, network, report)
    if kind.tensors:
        # Otherwise saving would restore the tensor names of the checkpoint, which config.json no longer describes.
        network.__dict__.pop("_weight_conversions", None)
    return network


def refuse_incomplete(
    source: str, network: "PreTrainedModel", report: dict[str, Any], *, saved: bool = False, file: str = WEIGHTS
) -> None:
    """Raise where transformers only warns: a tensor is missing (and drawn at random), misshapen or unexpected.

    A base may have tensors of a head, a vision tower or a decoder, which are not loaded; a ``saved`` model has none.
    ``file`` is the file of the weights.

    Examples:
        >>> report = {f"{kind}_keys": set() for kind in ("missing", "mismatched", "unexpected")}
        >>> refuse_incomplete("decoder", backbone("decoder").model, report)  # it loads in full
    """
    missing, unexpected = (sorted(report[f"{kind}_keys"]) for kind in ("missing", "unexpected"))
    faults = [
        *(f"{key} is missing" for key in missing if not UNUSED.search(key)),
        *(f"{key} is {tuple(found)}, not {tuple(due)}" for key, found, due in sorted(report["mismatched_keys"])),
        *(f"{key} is unexpected" for key in unexpected if _belongs(key, network) or saved and not UNUSED.search(key)),
    ]
    if faults:
        more = f" and {len(faults) - TENSORS_IN_ERROR} more" if len(faults) > TENSORS_IN_ERROR else ""
        shown = ", ".join(faults[:TENSORS_IN_ERROR])
        raise ModelError(
            f"model {source!r}: {file} does not load in full as a {type(network).__name__}: {shown}{more}; "
            "expected the weights that its config.json describes: download both again"
        )


def _belongs(tensor: str, network: "PreTrainedModel") -> bool:
    """Tell a tensor of the text encoder from a tensor of another part."""
    first = tensor.removeprefix(f"{network.base_model_prefix}.").partition(".")[0]
    return first in dict(network.named_children())


def _random(
    config: "PreTrainedConfig", tokenizer: "PreTrainedTokenizerBase", options: dict[str, Any]
) -> "PreTrainedModel":
    """Make a network with random weights."""
    from transformers import AutoModel

    if len(tokenizer) > config.vocab_size:
        raise ModelError(
            f"vocab_size={config.vocab_size} is too small for the tokenizer's {len(tokenizer)} tokens; "
            f"set it to at least {len(tokenizer)}"
        )
    return AutoModel.from_config(config, trust_remote_code=False, **options).eval()


def _tokenizer(
    source: "str | Path | PreTrainedConfig | PreTrainedTokenizerBase", options: dict[str, Any]
) -> "PreTrainedTokenizerBase":
    """Load a tokenizer with the given options; a tokenizer that is given itself is copied."""
    from transformers import AutoTokenizer, PreTrainedConfig

    if isinstance(source, PreTrainedConfig):
        raise ModelError(f"a {type(source).__name__} has no tokenizer; give tokenizer=, a directory or hub id")
    if isinstance(source, str | Path):
        tokenizer = AutoTokenizer.from_pretrained(str(source), **options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            source.save_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        tokenizer.name_or_path = source.name_or_path
    tokenizer._processor_class = None  # every Gemma 3 names its image processor; an encoder of text has none
    tokenizer.init_kwargs.pop("processor_class", None)
    return tokenizer


def _module(network: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", options: dict[str, Any]) -> "Transformer":
    """Put a network and a tokenizer into the stock module.

    The stock module always loads both itself and reports no missing tensors. So it gets a folder without weights, where
    loading them would be an error, and with a tokenizer of one token: to load that of a Gemma again takes seconds.
    """
    from sentence_transformers.base.modules import Transformer
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    class WithParts(Transformer):
        def _load_model(self, *args: object, **kwargs: object) -> "PreTrainedModel":
            return network

        def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
            super().__setattr__(name, tokenizer if name == "processor" else value)

    with tempfile.TemporaryDirectory() as folder:
        network.config.save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"": 0}))).save_pretrained(folder)
        module: Transformer = WithParts(folder, transformer_task="feature-extraction", processor_kwargs=options)
    module.__class__ = Transformer
    return module


def _complete_tokenizer(tokenizer: "PreTrainedTokenizerBase", vocabulary: int, source: str) -> None:
    """Refuse the empty tokenizer that transformers makes if its files are missing; add a missing padding token."""
    if set(tokenizer("token").input_ids) <= set(tokenizer.all_special_ids):
        raise ModelError(f"model {source!r} has no tokenizer: every word is encoded as unknown; add its tokenizer.json")
    complete_padding(tokenizer, vocabulary, source)


def complete_padding(tokenizer: "PreTrainedTokenizerBase", vocabulary: int, source: str) -> None:
    """Let the end token pad if a tokenizer has no padding token, or one that the ``vocabulary`` of the model lacks.

    Examples:
        >>> module = backbone("decoder")
        >>> module.tokenizer.pad_token = None
        >>> complete_padding(module.tokenizer, 1000, "decoder")
        >>> module.tokenizer.pad_token
        '<eos>'
    """
    if tokenizer.pad_token is None or tokenizer.pad_token_id >= vocabulary:
        if tokenizer.eos_token is None or tokenizer.eos_token_id >= vocabulary:
            raise ModelError(
                f"model {source!r} has neither a padding nor an end token; set its tokenizer's pad_token to one of the "
                f"{vocabulary} tokens of config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token


def _check_family(kind: Family, dtype: str, attn_implementation: str | None) -> None:
    """Refuse a weight type or an attention implementation that does not work for the family."""
    if dtype in kind.not_in:
        raise ModelError(f"dtype={dtype!r} overflows in {kind.name}; use bfloat16 or float32")
    if attn_implementation in set(IMPLEMENTATIONS) - set(kind.implementations):
        allowed = ", ".join(kind.implementations)
        raise ModelError(f"{kind.name} cannot run attn_implementation={attn_implementation!r}; use one of {allowed}")


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{name}={value!r} is not known; use one of {', '.join(allowed)}")
