"""Attention pooling with a query probe or a KV probe."""

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling.tokens import Pooler, at_least_one, mean

PROBES = {"query": 1, "kv": 64}
FRESH = {"query": {"queries": 0.02}, "kv": {"keys": 0.25, "values": 1.0}}
PROJECTIONS = {"query": ("key", "value", "output"), "kv": ("query", "output")}


class AttentionPooling(Pooler):
    """Attention pooling, ``(B, T, D) → (B, D)``, with a query probe or a KV probe; ``H`` heads of width ``d = D/H``.

    Both are multi-head attention, then the mean over its queries, then an output projection. With ``X (n, D)`` the
    real tokens' states (notation of [gemma_st.modeling.pooling][]), ``[h]`` the ``h``-th block of ``d`` columns and the
    softmax along each row:

    ``A_h = softmax(Q[h] · K[h]ᵀ / √d)``, ``y = W_O · mean_rows(concat_h(A_h · V[h]))``

    - Query probe: ``Q (P, D)`` is learned, ``K = X · W_Kᵀ`` and ``V = X · W_Vᵀ``. The tokens compete for each of the
      ``P`` queries, and the mean is over the queries: with several, a head's weights are the mean of ``P`` softmaxes.
    - KV probe: ``Q = X · W_Qᵀ``, and the latents ``K (L, D)`` and ``V (L, D)`` are learned. The latents compete for
      each token, and the mean is over the tokens.

    ``W_* (D, D)`` have no bias. Neither knows the order of the tokens beyond what their states say of it.

    Fresh weights: all ``W_*`` are identities. A query probe is mean pooling, nearly: with ``Q ~ N(0, .02²)`` and states
    of root mean square ``r`` the logits deviate by ``.02 r``. (With ``Q = 0`` the ``P`` queries would stay equal for
    ever.) A KV probe has ``K ~ N(0, .25²)`` and ``V ~ N(0, 1)``: logits deviate by ``.25 r``, so that texts differ
    from the start and no latent wins every token.

    Args:
        embedding_dimension: Width ``D``.
        probe: ``"query"`` or ``"kv"``.
        probes: Number of learned queries ``P`` (1 unless told) or latents ``L`` (64 unless told).
        heads: Number of heads ``H``, a divisor of ``D``.
        include_prompt: Whether the tokens of a prompt are pooled too.

    Raises:
        ModelError: An argument is out of range.
    """

    __module__ = "gemma_st.modeling.pooling"  # modules.json names it: saved models outlive the layout of our files
    config_keys: ClassVar[list[str]] = ["embedding_dimension", "probe", "probes", "heads", "include_prompt"]

    def __init__(
        self,
        embedding_dimension: int,
        *,
        probe: str = "query",
        probes: int | None = None,
        heads: int = 8,
        include_prompt: bool = True,
    ) -> None:
        """Draw fresh weights."""
        super().__init__(embedding_dimension, include_prompt=include_prompt)
        if probe not in PROBES:
            raise ModelError(f"probe={probe!r} is not known; use one of {', '.join(PROBES)}")
        self.probe = probe
        self.probes = at_least_one("probes", PROBES[probe] if probes is None else probes)
        self.heads = at_least_one("heads", heads)
        if embedding_dimension % heads:
            raise ModelError(f"heads={heads} does not divide the width {embedding_dimension}; use a divisor of it")
        for name, deviation in FRESH[probe].items():
            self.register_parameter(name, nn.Parameter(torch.randn(self.probes, embedding_dimension) * deviation))
        for name in PROJECTIONS[probe]:
            projection = nn.Linear(embedding_dimension, embedding_dimension, bias=False)
            nn.init.eye_(projection.weight)
            self.add_module(name, projection)

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool states ``(B, T, D)``, of which the mask ``real (B, T)`` counts, to ``(B, D)``."""
        tokens = states.masked_fill(~real.unsqueeze(-1), 0)  # a NaN under the padding would survive a weight of zero
        if self.probe == "query":
            keys, values = self._project("key", tokens), self._project("value", tokens)
            queries = self.queries.expand(len(tokens), -1, -1)
            pooled = self._attend(queries, keys, values, mask=real[:, None, None]).mean(1)
        else:
            keys, values = self.keys.expand(len(tokens), -1, -1), self.values.expand(len(tokens), -1, -1)
            pooled = mean(self._attend(self._project("query", tokens), keys, values), real)
        return self._project("output", pooled)

    def _project(self, name: str, states: Tensor) -> Tensor:
        linear: nn.Linear = getattr(self, name)
        projected: Tensor = linear(states.to(linear.weight.dtype))  # bfloat16 states may meet a float32 pooler
        return projected

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Attend ``(B, Q, D)`` to ``(B, K, D)`` by heads; ``(B, Q, D)`` in float32 or wider, under autocast too."""
        wide = torch.promote_types(torch.promote_types(queries.dtype, keys.dtype), torch.float32)

        def by_head(part: Tensor) -> Tensor:
            return part.to(wide).view(*part.shape[:2], self.heads, -1).transpose(1, 2)

        with torch.autocast(queries.device.type, enabled=False):
            attended = functional.scaled_dot_product_attention(
                by_head(queries), by_head(keys), by_head(values), attn_mask=mask
            )
        return attended.transpose(1, 2).flatten(2)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> Self:
        """Load what was saved, from safetensors only.

        Raises:
            ModelError: Configuration or weights are absent, or do not fit this class.
        """
        pooling: Self = super().load(model_name_or_path, subfolder, **options)
        place = {
            key: options[key] for key in ("token", "cache_folder", "revision", "local_files_only") if key in options
        }
        weights = cls.load_file_path(model_name_or_path, "model.safetensors", subfolder, **place)
        name = Path(subfolder, "model.safetensors")
        if weights is None:
            raise ModelError(f"{model_name_or_path}: {name}, the pooler's weights, is absent; save the model again")
        try:
            load_model(pooling, weights)
        except (RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{model_name_or_path}: {name} does not fit its config.json: {reason}") from error
        return pooling
