"""The proof that an encoder's attention is bidirectional: change a far token, and the first one's state must move.

Libraries fall back to a causal mask silently (an ignored flag, an attention implementation that does not honour it, a
padded batch that takes another path), and the scores still look like scores. So the mask is never trusted, but tested:
in every layer, on one text, on a batch padded on either side, and on a text longer than the sliding window.
"""

from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

MOVED = 1e-6  # relative change of an attention's output that counts as "it saw the other token"
LONGEST = 512  # tokens; a text beyond a larger window than this costs more than the proof is worth

Span = tuple[int, int]  # where a row's text begins and ends; the rest of the row is padding


def verify_bidirectional(model: "nn.Module") -> None:
    """Prove by perturbation that in every layer each token sees the tokens after it.

    A layer with a sliding window w sees the tokens at a distance of up to w on either side under ``is_causal=False``,
    and of less than ``config.sliding_window`` under Gemma 3's own flag, which has halved that number: so the farthest
    token tried there is w - 1 away. In any other layer it is the last token of the text.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model.

    Raises:
        ModelError: The first token does not see the farthest one: alone, in a padded batch, or beyond the window.
    """
    verify_attention(model, "bidirectional")


def verify_attention(model: "nn.Module", attention: str) -> None:
    """Prove by perturbation that the attention mask is the one named; the model is left as it was.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model.
        attention: ``"bidirectional"`` or ``"causal"``.

    Raises:
        ModelError: The mask of a layer is another one.
    """
    network = _network(model)
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        for case, spans in _cases(network):
            for layer, rows in enumerate(_first_sees_farthest(network, spans)):
                if any(sees != (attention == "bidirectional") for sees in rows):
                    other = "causal" if attention == "bidirectional" else "bidirectional"
                    raise ModelError(
                        f"the attention of {type(network).__name__} is {other} in layer {layer} for {case} "
                        f"({network.config._attn_implementation}), but {attention} was asked for; "
                        "set config.is_causal after loading and use attn_implementation='sdpa' or 'eager'"
                    )
    finally:
        for module in training:
            module.training = True


def _cases(network: "PreTrainedModel") -> list[tuple[str, list[Span]]]:
    """Return each arrangement of texts to prove the mask on."""
    cases = [("one text", [(0, 8)]), ("a padded batch", [(0, 8), (0, 5), (3, 8)])]
    windows = {getattr(layer, "sliding_window", None) or 0 for layer in _layers(network)}
    if 0 < max(windows) <= LONGEST:
        cases.append(("a text longer than the sliding window", [(0, max(windows) + 2)]))
    return cases


def _first_sees_farthest(network: "PreTrainedModel", spans: list[Span]) -> list[list[bool]]:
    """Return for each layer and row whether the first token sees the farthest one in its window.

    Each attention layer is run once more on the input it has just had, but for the farthest token's state. Its output
    is compared before it joins the residual stream, where a small change could drown.
    """
    import torch

    width, found = max(stop for _, stop in spans), []

    def probe(layer: "nn.Module", args: tuple[Any, ...], given: dict[str, Any], output: tuple["Tensor", Any]) -> None:
        reach = (getattr(layer, "sliding_window", None) or width) - 1
        states = given["hidden_states"].clone()
        for row, (first, stop) in enumerate(spans):
            farthest = min(stop - 1, first + reach)
            states[row, farthest] = 1 - states[row, farthest]
        again = layer.forward(*args, **{**given, "hidden_states": states})[0].float()
        first_tokens = range(len(spans)), [first for first, _ in spans]
        before, after = output[0].float()[first_tokens], again[first_tokens]
        found.append(((after - before).norm(dim=-1) > MOVED * before.norm(dim=-1)).tolist())

    mask = torch.tensor([[first <= place < stop for place in range(width)] for first, stop in spans]).long()
    tokens = torch.arange(mask.numel()).view_as(mask) % network.get_input_embeddings().num_embeddings
    hooks = [layer.register_forward_hook(probe, with_kwargs=True) for layer in _layers(network)]
    try:
        with torch.inference_mode():
            network(input_ids=tokens.to(network.device), attention_mask=mask.to(network.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise ModelError(f"{type(network).__name__} ran none of its attention layers; pass its text model")
    return found


def _network(model: "nn.Module") -> "PreTrainedModel":
    from transformers import PreTrainedModel

    network = getattr(model, "transformers_model", model)
    if not isinstance(network, PreTrainedModel) or not _layers(network):
        raise ModelError(f"{type(network).__name__} holds no transformers decoder whose attention could be tested")
    return network


def _layers(network: "nn.Module") -> "list[nn.Module]":
    return [module for name, module in network.named_modules() if name.endswith("self_attn")]
