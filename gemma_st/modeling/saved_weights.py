"""The weights of a saved model: names and shapes from the headers of safetensors files, before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError
from gemma_st.modeling.saved_json import REPAIR, numbers, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
DIMENSIONS = ("hidden_size", "vocab_size")  # sizes that are a dimension of some tensor in every network
COUNTS = ("layers", "layer", "heads", "head", "experts")
SIZES = ("intermediate_size", "head_dim", "type_vocab_size", "embedding_size", "d_model", "d_ff", "d_kv", "n_embd")
SLACK = 4  # a size may exceed the largest dimension by this factor: fused or shared tensors


@dataclass(frozen=True)
class Header:
    """Names and shapes of the tensors in the safetensors files of a folder.

    Attributes:
        path: The file, or the index of several.
        shapes: Shape by name.
        dtypes: Dtype by name, such as ``F32``.

    Examples:
        >>> read_header(Path("reranker")).shapes["layers.0.input_layernorm.weight"]
        (32,)
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)

    @property
    def dimensions(self) -> set[int]:
        """All dimensions of all tensors."""
        return {size for shape in self.shapes.values() for size in shape}


def read_header(folder: Path, name: str = WEIGHTS) -> Header:
    """Read the header of the weights in a folder; empty without safetensors files. A ModelError names the file.

    Examples:
        >>> len(read_header(Path("reranker")).shapes)
        20
    """
    if (folder / name).exists() or not (folder / INDEX).exists():
        shapes, dtypes = _shapes(folder / name)
        return Header(folder / name, shapes, dtypes)
    shapes, dtypes = {}, {}
    for shard in shard_names(folder / INDEX):
        if not (folder / shard).is_file():
            raise ModelError(f"{folder / INDEX}: names {shard}, which is missing; {REPAIR}")
        more, kinds = _shapes(folder / shard)
        shapes, dtypes = shapes | more, dtypes | kinds
    return Header(folder / INDEX, shapes, dtypes)


def shard_names(index: Path) -> list[str]:
    """Return the files that an index of weights names; a ModelError for a file outside its folder.

    Examples:
        >>> _ = Path("model.safetensors.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}')
        >>> shard_names(Path("model.safetensors.index.json"))
        Traceback (most recent call last):
        gemma_st.errors.ModelError: model.safetensors.index.json: names '../b.safetensors'; expected a file ...
    """
    content = read_json(index)
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: has no weight_map; {REPAIR}")
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{index}: names {name!r}; expected a file model-….safetensors beside it; {REPAIR}")
    return sorted(set(names.values()))


def refuse_sizes(path: Path, config: dict[str, Any], header: Header) -> None:
    """Raise before any memory is allocated if a configuration describes a network far from its weights.

    Examples:
        >>> refuse_sizes(Path("config.json"), {"hidden_size": 10**9}, read_header(Path("reranker")))
        Traceback (most recent call last):
        gemma_st.errors.ModelError: config.json: hidden_size = 1000000000; no tensor of reranker/model.safetensors ...
    """
    if not header.shapes:
        return
    known = header.dimensions
    most = SLACK * max(*known, len(header.shapes), 1)
    for where, value in numbers(config).items():
        key = where.rpartition(".")[2]
        if key in DIMENSIONS and "." not in where and value not in known:
            raise ModelError(f"{path}: {where} = {value}; no tensor of {header.path} has that dimension; {REPAIR}")
        counted = key in SIZES or (key.startswith(("num_", "n_")) and key.rpartition("_")[2] in COUNTS)
        if (counted and not 0 <= value <= most) or (key.endswith(COUNTS[:4]) and key.startswith("num_") and value < 1):
            raise ModelError(f"{path}: {where} = {value}; the tensors of {header.path} are of another size; {REPAIR}")


def refuse_integers(header: Header) -> None:
    """Raise for weights that are whole numbers, which the libraries would round to.

    Examples:
        >>> refuse_integers(read_header(Path("reranker")))
    """
    for key, dtype in header.dtypes.items():
        if key.endswith(("weight", "bias")) and not dtype.startswith(("F", "BF")):  # position_ids are whole numbers
            raise ModelError(f"{header.path}: {key} is of type {dtype}; expected floating point; {REPAIR}")


def refuse_incomplete_base(network: "PreTrainedModel", header: Header) -> None:
    """Raise if a weight of an adapter's base is missing from its file: the libraries draw it at random.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> refuse_incomplete_base(CrossEncoder("reranker").transformers_model, read_header(Path("reranker")))
    """
    prefix = f"{network.base_model_prefix}."
    shapes = {key.removeprefix(prefix): shape for key, shape in header.shapes.items()}
    for key, tensor in network.state_dict().items():
        plain = key.replace(".base_layer.", ".").removeprefix(prefix)
        if "lora_" not in key and shapes.get(plain) != tuple(tensor.shape):
            found = f"is {shapes[plain]}, not {tuple(tensor.shape)}" if plain in shapes else "is missing"
            raise ModelError(f"{header.path}: {plain} {found}; {REPAIR}")


def _shapes(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not path.exists() and not path.is_symlink():
        return {}, {}
    try:
        with safe_open(path, framework="pt") as file:
            parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            shapes = {key: tuple(part.get_shape()) for key, part in parts.items()}
            return shapes, {key: str(part.get_dtype()) for key, part in parts.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be loaded: {error}; {REPAIR}") from error
