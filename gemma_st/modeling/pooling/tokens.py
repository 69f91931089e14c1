"""Which tokens of a batch are pooled, and what the poolers share."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor, nn

from gemma_st.errors import ModelError


class Pooler(Module):
    """Features in and out, configuration and files; a pooler adds how the tokens' states become one.

    Args:
        embedding_dimension: Width ``D``.
        include_prompt: Whether the tokens of a prompt are pooled too.
    """

    config_keys: ClassVar[list[str]] = ["embedding_dimension", "include_prompt"]

    def __init__(self, embedding_dimension: int, *, include_prompt: bool = True) -> None:
        """Check the arguments."""
        super().__init__()
        self.embedding_dimension = at_least_one("embedding_dimension", embedding_dimension)
        self.include_prompt = include_prompt

    @abstractmethod
    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool states ``(B, T, D)``, of which the mask ``real (B, T)`` counts, to ``(B, D)``."""

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Add ``sentence_embedding (B, D)``, made from ``token_embeddings (B, T, D)`` and ``attention_mask (B, T)``.

        Raises:
            ModelError: A text has no token to pool, or the mask does not fit the states.
        """
        states, real = pooled_tokens(features, self.include_prompt)
        features["sentence_embedding"] = self.pool(states, real).to(states.dtype)
        return features

    def get_embedding_dimension(self) -> int:
        """Return the width ``D`` of the result."""
        return self.embedding_dimension

    def save(self, output_path: str, *_: Any, safe_serialization: bool = True, **__: Any) -> None:
        """Write ``config.json`` and, where there are weights, ``model.safetensors``.

        Raises:
            ModelError: Pickle is asked for.
        """
        if not safe_serialization:
            raise ModelError("safe_serialization=False writes a pickle; this pooler is saved as safetensors only")
        self.save_config(output_path)
        if next(self.parameters(), None) is not None:
            self.save_torch_weights(output_path)

    @classmethod
    def load_config(cls, model_name_or_path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Read ``config.json``.

        Raises:
            ModelError: It is absent, or has other keys than this class writes.
        """
        config: dict[str, Any] = super().load_config(model_name_or_path, *arguments, **options)
        if set(config) != set(cls.config_keys):
            raise ModelError(
                f"{model_name_or_path}: config.json of {cls.__name__} has the keys {sorted(config)}; "
                f"expected {sorted(cls.config_keys)}; save the model again with this version"
            )
        return config


def at_least_one(name: str, value: int) -> int:
    """Return the value of an argument that counts something.

    Raises:
        ModelError: It is not a whole number, or below 1.
    """
    if not isinstance(value, int) or value < 1:
        raise ModelError(f"{name}={value!r}; expected a whole number of at least 1")
    return value


def mean(states: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean of the chosen states ``(B, T, D)`` of each text, ``(B, D)``, in float32 or wider."""
    # Not a product with the mask: a NaN under the padding would survive a weight of zero.
    kept = states.masked_fill(~chosen.unsqueeze(-1), 0)
    return kept.sum(1, dtype=torch.promote_types(states.dtype, torch.float32)) / chosen.sum(1, keepdim=True)


def pooled_tokens(features: dict[str, Any], include_prompt: bool) -> tuple[Tensor, Tensor]:
    """Return states ``(B, T, D)`` and which of them are pooled, ``(B, T)``.

    Raises:
        ModelError: A text has no token to pool, or the mask does not fit the states.
    """
    states, mask = features["token_embeddings"], features.get("attention_mask")
    if "cu_seq_lens_q" in features:  # flash attention: the batch is one row of texts end to end
        lengths = features["cu_seq_lens_q"].diff()
        states = nn.utils.rnn.pad_sequence(states[0].split(lengths.tolist()), batch_first=True)
        mask = torch.arange(states.shape[1], device=states.device) < lengths.unsqueeze(1)
    elif mask is None:
        mask = states.new_ones(states.shape[:2])
    if mask.shape != states.shape[:2]:
        raise ModelError(
            f"attention_mask has shape {tuple(mask.shape)}; expected {tuple(states.shape[:2])}: one a token"
        )
    real = mask.bool()
    prompt = None if include_prompt else features.get("prompt_length")
    if isinstance(prompt, Tensor):  # in training: one number, or the same for each text; left on its device
        prompt = prompt.reshape(-1)[:1].to(real.device)
    if prompt is not None:
        real = real & (real.cumsum(1) > prompt)
    some = real.any(1)
    if not some.all():  # the only wait for the device
        row = int(some.int().argmin())
        raise ModelError(
            f"row {row} of the batch has no token to pool: {int(mask[row].sum())} real tokens, of which the prompt has "
            f"{int(prompt or 0)}; expected one behind it: leave out empty texts, raise max_length or shorten the prompt"
        )
    return states, real


def check_tokens(pooling: Module, arguments: tuple[dict[str, Any], ...]) -> None:
    """Raise what ``pooled_tokens`` raises: a forward pre-hook for the stock pooler."""
    pooled_tokens(arguments[0], pooling.include_prompt)
