"""The line users write: ``CrossEncoder("gemma-encoder-msmarco").predict(pairs)``."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers
import torch
from numpy.typing import NDArray
from torch import nn

from gemma_st.attention import verify_bidirectional
from gemma_st.errors import ModelError
from gemma_st.models import loading, locate

Pairs = Sequence[tuple[str, str]] | Sequence[Sequence[str]] | tuple[str, str]


class CrossEncoder(sentence_transformers.CrossEncoder):
    """The stock cross-encoder, with the names of packaged models and a check that its attention is what it says.

    Args:
        name: A local directory, else a packaged model (see [gemma_st.models.packaged][]), else a hub id.
        modules: The modules themselves, in place of a name.
        **options: As for ``sentence_transformers.CrossEncoder``.

    Raises:
        ModelError: There is no such model, or a model saved as bidirectional runs causally here.

    Example:
        ```python
        from gemma_st import CrossEncoder

        model = CrossEncoder("gemma-encoder-msmarco")
        scores = model.predict([("do goldfish grow", "A goldfish grows up to 30 cm in a pond.")])
        ```
    """

    def __init__(self, name: str | None = None, *, modules: list[nn.Module] | None = None, **options: Any) -> None:
        """Load or assemble the model."""
        if (name is None) == (modules is None):
            raise ModelError("CrossEncoder takes either a name or modules; give one of them")
        path = None if name is None else locate(name)
        if path:
            _refuse_bare_decoder(Path(path))
        with loading(name or "in memory"):
            super().__init__(path, modules=modules, **options)
        claims = [getattr(self.config, key, None) for key in ("is_causal", "use_bidirectional_attention")]
        if name and (claims[0] is False or claims[1]):
            verify_bidirectional(self)

    def predict(self, inputs: Pairs, *arguments: Any, **options: Any) -> NDArray[np.float32]:
        """Score pairs as the stock class does, in float32 even where there are none (it would return float64).

        Args:
            inputs: Pairs of query and document, or a single pair.
            *arguments: As for the stock class.
            **options: As for the stock class.

        Returns:
            A score a pair, of shape ``(pairs,)``, or ``(pairs, labels)`` with several labels; of a single pair, the one
            score. Where ``convert_to_tensor`` asks for a tensor, that.
        """
        scores: NDArray[np.float32] = super().predict(inputs, *arguments, **options)
        return scores.astype(np.float32, copy=False) if isinstance(scores, np.ndarray) else scores

    def fingerprint(self) -> str:
        """Return a SHA-256 (64 hex digits) of all that decides a score: weights, tokenizer, modules, device."""
        tokenizer = self.tokenizer
        # How the last batch was padded and cut is kept in there too, and what wrote the file in the configuration.
        spelling = {**json.loads(tokenizer.backend_tokenizer.to_str()), "padding": None, "truncation": None}
        config = {**self.config.to_diff_dict(), "transformers_version": None, "dtype": None}
        parts = [str(self), str(self.activation_fn), str(self.max_seq_length), self.device.type, tokenizer.padding_side]
        parts += [json.dumps(part, sort_keys=True, default=str) for part in (spelling, config, self.prompts)]
        digest = hashlib.sha256("\0".join([*parts, str(self.default_prompt_name)]).encode())
        for key, tensor in sorted(self.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()


def _refuse_bare_decoder(directory: Path) -> None:
    """Refuse a decoder without a head: the stock class would give it a random one, or ask it for yes or no."""
    config = directory / "config.json"
    if (directory / "modules.json").exists() or not config.exists():
        return
    with loading(directory):
        architectures = json.loads(config.read_text(encoding="utf-8")).get("architectures") or ["model"]
    if not architectures[0].endswith("ForSequenceClassification"):
        raise ModelError(
            f"{directory}: a {architectures[0]} without a head for scores; build one with gemma_st.build.cross_encoder"
        )
