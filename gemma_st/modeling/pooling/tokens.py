"""The base class of our poolers: the tokens that are pooled, and how a pooler is saved and loaded."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from sentence_transformers.base.modules import Module
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn

from gemma_st.errors import ModelError


class Pooler(Module):
    """Base class of our poolers; a subclass defines ``pool``, and lists its arguments in ``config_keys``.

    Args:
        embedding_dimension: Width ``D``.
        include_prompt: Whether to pool the tokens of a prompt too.

    Examples:
        >>> class Maximum(Pooler):
        ...     def pool(self, states: Tensor, real: Tensor) -> Tensor:
        ...         return states.masked_fill(~real.unsqueeze(-1), -torch.inf).amax(1)
        >>> Maximum(2)({"token_embeddings": torch.arange(6.0).view(1, 3, 2)})["sentence_embedding"]
        tensor([[4., 5.]])
    """

    config_keys: list[str] = ["embedding_dimension", "include_prompt"]

    def __init__(self, embedding_dimension: int, *, include_prompt: bool = True) -> None:
        """Check the arguments."""
        super().__init__()  # type: ignore[no-untyped-call]  # stock has no annotations here
        self.embedding_dimension = self.at_least_one("embedding_dimension", embedding_dimension)
        self.include_prompt = include_prompt

    @abstractmethod
    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool the states ``(B, T, D)`` of the tokens marked in ``real (B, T)`` to ``(B, D)``."""

    @staticmethod
    def mean(states: Tensor, chosen: Tensor) -> Tensor:
        """Return the mean ``(B, D)`` of the states ``(B, T, D)`` of the chosen tokens, in float32 or wider."""
        # A product with the mask would not do: a NaN in the padding survives a weight of zero.
        kept = states.masked_fill(~chosen.unsqueeze(-1), 0)
        return kept.sum(1, dtype=torch.promote_types(states.dtype, torch.float32)) / chosen.sum(1, keepdim=True)

    @staticmethod
    def at_least_one(name: str, value: int) -> int:
        """Return the value of an argument that is a number of items; anything else is a ModelError."""
        if not isinstance(value, int) or value < 1:
            raise ModelError(f"{name}={value!r}; expected a whole number of at least 1")
        return value

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add ``sentence_embedding (B, D)`` to ``token_embeddings (B, T, D)`` and ``attention_mask (B, T)``."""
        states, real = _pooled_tokens(features, self.include_prompt)
        features["sentence_embedding"] = self.pool(states, real).to(states.dtype)
        return features

    def get_embedding_dimension(self) -> int:
        """Return the width ``D`` of the pooled vector."""
        return self.embedding_dimension

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write ``config.json`` and, if there are weights, ``model.safetensors``; never a pickle."""
        if not safe_serialization:
            raise ModelError("safe_serialization=False writes a pickle; this pooler is saved as safetensors only")
        self.save_config(output_path)
        if next(self.parameters(), None) is not None:
            self.save_torch_weights(output_path)

    @classmethod
    def load_config(cls, model_name_or_path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Read ``config.json``; the arguments are those of the stock ``Module.load_config``."""
        config = super().load_config(model_name_or_path, *arguments, **options)
        if set(config) != set(cls.config_keys):
            raise ModelError(
                f"{model_name_or_path}: config.json of {cls.__name__} has the keys {sorted(config)}; "
                f"expected {sorted(cls.config_keys)}; save the model again with this version"
            )
        return config


def refuse_empty(pooling: Pooling) -> Pooling:
    """Make a stock pooler raise a ModelError for a text without real tokens; it would return zeros or padding.

    The check is a forward hook of the given pooler and is not saved, so it must be added after every load. Adding it
    twice has no effect.

    Examples:
        >>> pooling = refuse_empty(Pooling(2, "mean"))
        >>> pooling({"token_embeddings": torch.ones(1, 3, 2), "attention_mask": torch.zeros(1, 3)})
        Traceback (most recent call last):
        gemma_st.errors.ModelError: row 0 of the batch has no token to pool: ...
    """
    if _check_tokens not in pooling._forward_pre_hooks.values():
        pooling.register_forward_pre_hook(_check_tokens)
    return pooling


def _check_tokens(pooling: Pooling, arguments: tuple[dict[str, Any], ...]) -> None:
    _pooled_tokens(arguments[0], pooling.include_prompt)


def _pooled_tokens(features: dict[str, Any], include_prompt: bool) -> tuple[Tensor, Tensor]:
    """Return the states ``(B, T, D)`` and a mask ``(B, T)`` of the tokens to pool."""
    states, mask = features["token_embeddings"], features.get("attention_mask")
    if "cu_seq_lens_q" in features:  # flash attention: the batch is one row, with the texts end to end
        lengths = features["cu_seq_lens_q"].diff()
        states = nn.utils.rnn.pad_sequence(states[0].split(lengths.tolist()), batch_first=True)
        mask = torch.arange(states.shape[1], device=states.device) < lengths.unsqueeze(1)
    elif mask is None:
        mask = states.new_ones(states.shape[:2])
    if mask.shape != states.shape[:2]:
        raise ModelError(
            f"attention_mask has shape {tuple(mask.shape)}; expected {tuple(states.shape[:2])}, one value per token"
        )
    real = _real(mask, features, include_prompt)
    if not torch.compiler.is_compiling():  # the only synchronisation with the device
        _refuse_empty(real, mask)
    return states, real


def refuse_empty_rows(features: Mapping[str, Any], module: nn.Module) -> None:
    """Refuse a tokenized batch in which a pooler finds no token, before the forward pass; a compiled one cannot.

    Examples:
        >>> refuse_empty_rows({"attention_mask": torch.ones(2, 3)}, Pooling(2, "mean"))
    """
    if isinstance(module, (Pooling, Pooler)) and isinstance(mask := features.get("attention_mask"), Tensor):
        _refuse_empty(_real(mask, features, module.include_prompt), mask)


def _real(mask: Tensor, features: Mapping[str, Any], include_prompt: bool) -> Tensor:
    """Return a mask ``(B, T)`` of the tokens to pool."""
    real = mask.bool()
    prompt = None if include_prompt else features.get("prompt_length")
    if isinstance(prompt, Tensor):  # during training: one number, or the same number for each text
        prompt = prompt.reshape(-1)[:1].to(real.device)
    return real if prompt is None else real & (real.cumsum(1) > prompt)


def _refuse_empty(real: Tensor, mask: Tensor) -> None:
    some = real.any(1)
    if not some.all():
        row = int(some.int().argmin())
        tokens = int(mask[row].sum())
        raise ModelError(
            f"row {row} of the batch has no token to pool: its {tokens} real tokens are those of the prompt; expected "
            "a token after it: leave out empty texts, raise max_length or shorten the prompt"
        )
