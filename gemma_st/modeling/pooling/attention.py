"""Attention pooling with a query probe or a KV probe."""

from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn import functional

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling.tokens import Pooler

PROBES = {"query": 1, "kv": 64}  # default number of learned queries or latents
DEVIATIONS = {"query": {"queries": 0.02}, "kv": {"keys": 0.25, "values": 1.0}}
PROJECTIONS = {"query": ("key", "value", "output"), "kv": ("query", "output")}


class AttentionPooling(Pooler):
    """Attention pooling, ``(B, T, D) → (B, D)``, with a query probe or a KV probe; ``H`` heads of width ``d = D/H``.

    Both are multi-head attention, then the mean over its queries, then an output projection. ``X (n, D)`` are the
    hidden states of the real tokens (notation of [gemma_st.modeling.pooling][]), ``[h]`` is the ``h``-th block of ``d``
    columns, and the softmax is over each row:

    ``A_h = softmax(Q[h] · K[h]ᵀ / √d)``, ``y = W_O · mean_rows(concat_h(A_h · V[h]))``

    - Query probe: ``Q (P, D)`` is learned, ``K = X · W_Kᵀ`` and ``V = X · W_Vᵀ``. The tokens compete for each of the
      ``P`` queries, and the mean is over the queries: with several, a head's weights are the mean of ``P`` softmaxes.
    - KV probe: ``Q = X · W_Qᵀ``, and the latents ``K (L, D)`` and ``V (L, D)`` are learned. The latents compete for
      each token, and the mean is over the tokens.

    ``W_* (D, D)`` have no bias. Neither probe uses the order of the tokens.

    Initial weights: all ``W_*`` are identities. A new query probe is close to mean pooling: with ``Q ~ N(0, .02²)`` and
    states of root mean square ``r`` the logits have a standard deviation of ``.02 r``. (With ``Q = 0`` the ``P``
    queries would stay equal during training.) A KV probe has ``K ~ N(0, .25²)`` and ``V ~ N(0, 1)``: its logits have a
    standard deviation of ``.25 r``, so that vectors of different texts differ and no latent wins every token.

    Args:
        embedding_dimension: Width ``D``.
        probe: ``"query"`` or ``"kv"``.
        probes: Number of learned queries ``P`` (default: 1) or latents ``L`` (default: 64).
        heads: Number of heads ``H``, a divisor of ``D``.
        include_prompt: Whether to pool the tokens of a prompt too.

    Examples:
        >>> import torch
        >>> pooling = AttentionPooling(32, probe="kv", heads=4)
        >>> pooling({"token_embeddings": torch.randn(2, 7, 32)})["sentence_embedding"].shape
        torch.Size([2, 32])
    """

    __module__ = "gemma_st.modeling.pooling"  # modules.json names it, so it must outlive the layout of our files
    config_keys: list[str] = ["embedding_dimension", "probe", "probes", "heads", "include_prompt"]

    def __init__(
        self,
        embedding_dimension: int,
        *,
        probe: str = "query",
        probes: int | None = None,
        heads: int = 8,
        include_prompt: bool = True,
    ) -> None:
        """Draw the initial weights."""
        super().__init__(embedding_dimension, include_prompt=include_prompt)
        if probe not in PROBES:
            raise ModelError(f"probe={probe!r} is not known; use one of {', '.join(PROBES)}")
        self.probe = probe
        self.probes = self.at_least_one("probes", PROBES[probe] if probes is None else probes)
        self.heads = self.at_least_one("heads", heads)
        if embedding_dimension % heads:
            raise ModelError(f"heads={heads} does not divide the width {embedding_dimension}; use a divisor of it")
        for name, deviation in DEVIATIONS[probe].items():
            self.register_parameter(name, nn.Parameter(torch.randn(self.probes, embedding_dimension) * deviation))
        for name in PROJECTIONS[probe]:
            projection = nn.Linear(embedding_dimension, embedding_dimension, bias=False)
            nn.init.eye_(projection.weight)
            self.add_module(name, projection)

    def pool(self, states: Tensor, real: Tensor) -> Tensor:
        """Pool the states ``(B, T, D)`` of the tokens marked in ``real (B, T)`` to ``(B, D)``."""
        tokens = states.masked_fill(~real.unsqueeze(-1), 0)  # a NaN in the padding would survive a weight of zero
        if self.probe == "query":
            keys, values = self._project("key", tokens), self._project("value", tokens)
            queries = self.queries.expand(len(tokens), -1, -1)
            pooled = self._attend(queries, keys, values, mask=real[:, None, None]).mean(1)
        else:
            keys, values = self.keys.expand(len(tokens), -1, -1), self.values.expand(len(tokens), -1, -1)
            pooled = self.mean(self._attend(self._project("query", tokens), keys, values), real)
        return self._project("output", pooled)

    def _project(self, name: str, states: Tensor) -> Tensor:
        linear: nn.Linear = getattr(self, name)
        projected: Tensor = linear(states.to(linear.weight.dtype))  # the states may be bfloat16 and the pooler float32
        return projected

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Return multi-head attention of ``(B, Q, D)`` to ``(B, K, D)`` in float32 or wider, also under autocast."""
        wide = torch.promote_types(torch.promote_types(queries.dtype, keys.dtype), torch.float32)

        def by_head(part: Tensor) -> Tensor:
            return part.to(wide).view(*part.shape[:2], self.heads, -1).transpose(1, 2)

        with torch.autocast(queries.device.type, enabled=False):
            attended = functional.scaled_dot_product_attention(
                by_head(queries), by_head(keys), by_head(values), attn_mask=mask
            )
        return attended.transpose(1, 2).flatten(2)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        init_defaults: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Load a saved pooler, from safetensors only; the arguments are those of the stock ``Module.load``."""
        place = (subfolder, token, cache_folder, revision, local_files_only)
        pooling = super().load(model_name_or_path, *place, init_defaults, **kwargs)
        weights = cls.load_file_path(model_name_or_path, "model.safetensors", *place)
        name = Path(subfolder, "model.safetensors")
        if weights is None:
            raise ModelError(f"{model_name_or_path}: {name}, the pooler's weights, is absent; save the model again")
        try:
            load_model(pooling, weights)
        except (RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{model_name_or_path}: {name} does not fit its config.json: {reason}") from error
        return pooling
