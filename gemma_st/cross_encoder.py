"""The line users write: ``CrossEncoder("gemma-encoder-msmarco").predict(pairs)``."""

import hashlib
from typing import Any

import sentence_transformers
import torch
from torch import nn

from gemma_st.attention import verify_bidirectional
from gemma_st.errors import ModelError
from gemma_st.models import locate


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
        try:
            super().__init__(locate(name) if name else None, modules=modules, **options)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{name}: not a directory, not packaged, and not to be had from the hub ({reason})"
            ) from error
        if name and getattr(self.config, "is_causal", None) is False:
            verify_bidirectional(self)

    def fingerprint(self) -> str:
        """Return a SHA-256 (64 hex digits) of all that decides a score: weights, tokenizer, modules, device."""
        tokenizer = self.tokenizer
        parts = [str(self), str(self.activation_fn), str(self.max_seq_length), self.device.type, tokenizer.padding_side]
        digest = hashlib.sha256("\0".join([*parts, tokenizer.backend_tokenizer.to_str()]).encode())
        digest.update(self.config.to_json_string().encode())
        for key, tensor in sorted(self.state_dict().items()):
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()
