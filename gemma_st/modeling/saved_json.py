"""The JSON files of a saved model: read with the file named in every error, and checked key by key."""

import importlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from gemma_st.errors import ModelError

REPAIR = "download or save the model again"
LARGEST = 10_000_000  # bytes of a JSON file; a tokenizer.json, which is larger, is read by the library only


def _whole(number: float) -> float:
    if not math.isfinite(number) or number != int(number):
        raise ValueError("expected a whole number")
    return number


def _torch_class(path: str) -> str:
    """Accept the name of an activation in torch; the stock class replaces any other with a default, with a log line."""
    from torch import nn

    module, _, name = path.rpartition(".")
    if module.partition(".")[0] != "torch":
        raise ValueError("expected a class of torch.nn; load another with trust_remote_code=True, where you trust it")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError("expected a class of torch.nn")
    return path


def _inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("expected a folder of the model")
    return path


Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Activation = Annotated[str, AfterValidator(_torch_class)]
Length = Count | Annotated[float, Field(ge=1), AfterValidator(_whole)]


class _Json(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]


class _Module(_Json, total=False):
    """An entry of modules.json, of which ``path``, ``type`` and ``name`` are read."""

    idx: int
    path: Annotated[str, AfterValidator(_inside)]
    type: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
    name: Annotated[str, Field(pattern=r"^[^.]+$")]


class _Settings(_Json, total=False):
    """config_sentence_transformers.json."""

    __version__: dict[str, str]
    model_type: Text
    activation_fn: Text
    prompts: dict[str, str | None]
    default_prompt_name: str | None
    keep_in_fp32_modules: list[str] | None
    stride: Count | None
    requirements: dict[str, Any]
    similarity_fn_name: str | None
    truncate_dim: Count | None


class _Method(_Json, total=False):
    """How the network is called for texts."""

    method: Text
    method_output_name: Text | None | Annotated[list[Text | int], Field(min_length=1)]


class _Modalities(_Json, total=False):
    """What the network can read; a model of this package reads text."""

    text: _Method


class _FirstModule(_Json, total=False):
    """sentence_bert_config.json."""

    transformer_task: Text
    modality_config: _Modalities
    module_output_name: Text
    max_seq_length: Count | None
    query_length: Count | None
    document_length: Count | None


class _LaterModule(_Json, total=False):
    """config.json of a pooler or of a part of the head."""

    in_features: Count
    out_features: Count
    dimension: Count
    embedding_dimension: Count
    bias: bool
    module_input_name: Text
    module_output_name: Text
    pooling_mode: Text | Annotated[list[Text], Field(min_length=1)]


class _Activated(_LaterModule, total=False):
    """config.json of a Dense, whose activation the stock class would replace with Tanh."""

    activation_function: Activation


class _Tokenizer(_Json, total=False):
    """tokenizer_config.json."""

    model_max_length: Length | None
    padding_side: Literal["left", "right"]
    truncation_side: Literal["left", "right"]
    tokenizer_class: Text


class _Config(_Json, total=False):
    """config.json of the network."""

    model_type: Text
    architectures: list[Text] | None
    is_causal: bool
    id2label: dict[str, str]


class _Adapter(_Json, total=False):
    """adapter_config.json."""

    base_model_name_or_path: Text
    r: Count
    lora_alpha: float


SCHEMAS: dict[str, Any] = {
    "modules": list[_Module],
    "settings": _Settings,
    "first module": _FirstModule,
    "later module": _LaterModule,
    "dense": _Activated,
    "tokenizer": _Tokenizer,
    "network": _Config,
    "adapter": _Adapter,
    "activation": dict[str, Activation],
}


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Return the content of a JSON file; a ModelError names the file.

    Examples:
        >>> read_json(Path("reranker/config.json"))["is_causal"]
        False
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path}: not readable as JSON ({reason}); {REPAIR}") from error


def check_json(path: Path, content: object, schema: str) -> Any:  # noqa: ANN401
    """Return the content of a file if its keys have the types of a schema; else a ModelError names file and key.

    Examples:
        >>> check_json(Path("config.json"), {"is_causal": None}, "network")
        Traceback (most recent call last):
        gemma_st.errors.ModelError: config.json: is_causal = None; Input should be a valid boolean; download or ...
    """
    try:
        return TypeAdapter(SCHEMAS[schema]).validate_python(content, strict=True)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        key = ".".join(map(str, error["loc"])) or "content"
        raise ModelError(f"{path}: {key} = {repr(error['input'])[:40]}; {error['msg']}; {REPAIR}") from invalid


def numbers(config: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a configuration by key, also of its tables; a list, such as of one number a layer, is not.

    Examples:
        >>> numbers({"hidden_size": 8, "text_config": {"head_dim": 4}, "is_causal": False})
        {'hidden_size': 8, 'text_config.head_dim': 4}
    """
    found: dict[str, float] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = value
    return found
