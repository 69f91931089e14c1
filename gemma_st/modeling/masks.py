"""The attention mask of an encoder: setting it in the configuration, and verifying it by perturbation.

We perturb one token and check that the attention outputs of all earlier tokens change. The mask is verified at every
build and load, because libraries fall back to a causal mask silently (an ignored flag, an attention implementation that
does not honour it, another code path for padded batches) and the scores still look plausible.

The forward passes cover one text and a batch padded on either side, below and above the sliding window, and gradient
checkpointing where it is enabled. They run the model's own layers up to the first attention layer of each kind. Two
layers are of one kind if they have the same code (class, own ``forward``, hooks, in the attention and in the block
around it) and the same attributes (layer type, window, ``is_causal``), so a layer that somebody has changed is a kind
of its own. transformers makes one mask per layer type, so the result for one layer holds for all of its kind.

Two settings are changed during the passes. The attention logits are scaled to almost 0, so that each head attends
equally to all tokens its mask admits; trained heads give most tokens next to no weight. A window wider than ``WINDOW``
tokens is narrowed to ``WINDOW``, because texts longer than the 4096 tokens of Gemma 2 would take seconds: this tests
the mask above the window, but not the attention kernels for texts of thousands of tokens.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from gemma_st.errors import ModelError
from gemma_st.modeling.families import FAMILIES, OWN_FLAG, family

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel

MINIMAL_CHANGE = 1e-6  # relative change of an attention output above which the token saw the perturbed one
PERTURBATION_SCALE = 10.0  # scale of the perturbed state, in units of the root mean square of all states
EVEN_SCALING = 1e-6  # scaling of the attention logits at which a head attends equally to all tokens it may see
SHORT_TEXT = 8  # tokens
WINDOW = 16  # tokens; wider sliding windows are narrowed to this width

Attention = Literal["bidirectional", "causal"]
Span = tuple[int, int]  # begin and end of a row's text; the rest of the row is padding


def set_mask(config: "PreTrainedConfig", attention: Attention) -> None:
    """Set the attention mask in the configuration of a decoder, where every later load reads it.

    ``"bidirectional"`` lets every token see every other token; ``"causal"`` only the tokens before it.

    Examples:
        >>> from transformers import GemmaConfig
        >>> config = GemmaConfig()
        >>> set_mask(config, "bidirectional")
        >>> config.is_causal
        False
    """
    own_flag = family(config).mask == OWN_FLAG
    if own_flag and attention == "bidirectional":
        # EmbeddingGemma was trained with its own flag, which means a narrower sliding window. Flash attention would
        # read is_causal instead of the flag, so is_causal must be absent.
        if hasattr(config, "is_causal"):
            del config.is_causal
        return
    if own_flag:
        config.sliding_window = config.to_dict()["sliding_window"]  # the flag halved the window when it was read
    if config.model_type in FAMILIES:
        # Gemma 1 and 2 ignore this flag or, under sdpa, honour it in unpadded batches only.
        config.use_bidirectional_attention = False
    config.is_causal = attention == "causal"


def verify_bidirectional(model: "nn.Module") -> None:
    """Verify by perturbation that in every kind of attention layer each token sees the tokens after it.

    A layer with a sliding window of w tokens sees the tokens at a distance of up to w on either side under
    ``is_causal=False``, and of less than ``config.sliding_window`` under EmbeddingGemma's own flag, which halves that
    number. So the farthest token perturbed in such a layer is w - 1 tokens away; in any other layer it is the last
    token of the text.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model, with or
            without an adapter.

    Examples:
        >>> from gemma_st.modeling.backbone import backbone
        >>> verify_bidirectional(backbone("decoder", attention="causal").model)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: the attention of GemmaModel is causal in layer 0 for one text (sdpa), but ...
    """
    verify_attention(model, "bidirectional")


def verify_attention(model: "nn.Module", attention: Attention) -> None:
    """Verify by perturbation that the attention mask is the given one; the model is left unchanged.

    Args:
        model: As for [gemma_st.modeling.masks.verify_bidirectional][].
        attention: The expected mask, ``"bidirectional"`` or ``"causal"``.

    Examples:
        >>> from gemma_st.modeling.backbone import backbone
        >>> verify_attention(backbone("decoder", attention="causal").model, "causal")
    """
    network = _decoder(model)
    checkpointed = [part for part in network.modules() if getattr(part, "gradient_checkpointing", False)]
    with _prepared(network) as window:
        cases = list(_cases(window))
        for case, spans in cases:
            _verify_case(network, attention, case, spans)
        if checkpointed:
            # Only these modules are in training mode: their submodules, such as dropout, stay in evaluation mode.
            for part in checkpointed:
                part.training = True
            for case, spans in cases:
                _verify_case(network, attention, f"{case}, checkpointed", spans)


def _verify_case(network: "PreTrainedModel", attention: Attention, case: str, spans: list[Span]) -> None:
    """Verify the mask in one batch; the case is its name in the error message."""
    for layer, changed in _changes(network, spans).items():
        if changed != {attention == "bidirectional"}:
            found = "bidirectional in part" if len(changed) > 1 else "bidirectional" if True in changed else "causal"
            raise ModelError(
                f"the attention of {type(network).__name__} is {found} in layer {layer} for {case} "
                f"({network.config._attn_implementation}), but {attention} was asked for; "
                "set config.is_causal after loading and use attn_implementation='sdpa' or 'eager'"
            )


class _AllKindsSeen(Exception):
    """Stops a forward pass once a layer of each kind has been observed; it is not an error."""


def _decoder(model: "nn.Module") -> "PreTrainedModel":
    """Return the transformers decoder inside a model."""
    from transformers import PreTrainedModel

    network = getattr(model, "transformers_model", model)
    base = getattr(network, "get_base_model", None)  # defined by a model with an adapter
    network = base() if callable(base) else network
    if not isinstance(network, PreTrainedModel) or not _layers(network) or network.config.is_encoder_decoder:
        raise ModelError(f"{type(network).__name__} holds no transformers decoder whose attention could be tested")
    return network


@contextmanager
def _prepared(network: "PreTrainedModel") -> Iterator[int]:
    """Set evaluation mode, narrow windows and even attention for a while; give the widest window (0 for none)."""
    layers: list[Any] = [layer for _, layer in _layers(network)]
    with ExitStack() as undo:

        def change(owner: object, name: str, value: object) -> None:
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)

        for part in network.modules():
            change(part, "training", False)
        for owner in (network.config, *(layer.config for layer in layers if hasattr(layer, "config")), *layers):
            if (getattr(owner, "sliding_window", None) or 0) > WINDOW:
                change(owner, "sliding_window", WINDOW)
        for layer in layers:
            if hasattr(layer, "scaling"):
                change(layer, "scaling", EVEN_SCALING)
        yield max(_window(network, layer, number) for number, layer in enumerate(layers))


def _cases(window: int) -> Iterator[tuple[str, list[Span]]]:
    """Yield the name and the texts of each batch to run, given the widest window (0 for none)."""
    short = max(min(SHORT_TEXT, window or SHORT_TEXT), 4)
    yield "one text", [(0, short)]
    yield "a padded batch", [(0, short), (0, short - 2), (2, short)]
    if window:
        long = window + 2
        yield "a text longer than the sliding window", [(0, long)]
        yield "a padded batch of texts longer than the sliding window", [(0, long + 2), (0, long), (2, long + 2)]


def _changes(network: "PreTrainedModel", spans: list[Span]) -> dict[int, set[bool]]:
    """Return number of the first layer of each kind → whether the tokens before the perturbed one changed.

    It is ``{True}`` if all of them changed, ``{False}`` if none did, else both. The perturbed token is the farthest one
    in the window of the first token. The attention layer runs again on the input it has just had, with another state
    for that token, and its output is compared before it joins the residual stream, in which a small change could be
    lost to rounding.
    """
    import torch

    width, kinds = max(stop for _, stop in spans), _kinds(network)
    changed: dict[int, set[bool]] = {}
    mask = torch.tensor([[first <= place < stop for place in range(width)] for first, stop in spans]).long()
    tokens = torch.arange(mask.numel()).view_as(mask) % network.get_input_embeddings().num_embeddings

    def hook(layer: "nn.Module", args: tuple[Any, ...], given: dict[str, Any], output: tuple["Tensor", Any]) -> None:
        number = kinds[layer]
        reach = (_window(network, layer, number) or width) - 1
        ends = [(first, min(stop - 1, first + reach)) for first, stop in spans]
        changed[number] = _changed(layer, ends, args, given, output[0])
        if len(changed) == len(kinds):
            raise _AllKindsSeen

    hooks = [layer.register_forward_hook(hook, with_kwargs=True) for layer in kinds]
    try:
        with torch.no_grad():
            network(input_ids=tokens.to(network.device), attention_mask=mask.to(network.device), use_cache=False)
    except _AllKindsSeen:
        pass
    finally:
        for handle in hooks:
            handle.remove()
    if unseen := sorted(set(kinds.values()) - set(changed)):
        raise ModelError(f"{type(network).__name__} ran none of its attention layers {unseen}; pass its text model")
    return changed


def _changed(
    layer: "nn.Module", ends: list[Span], args: tuple[Any, ...], given: dict[str, Any], before: "Tensor"
) -> set[bool]:
    """Return whether the outputs of the tokens before the last one change with the state of the last one.

    ``ends`` are the first and the last token of each row, ``args`` and ``given`` the arguments of the layer's call,
    and ``before (rows, tokens, width)`` is its output.
    """
    import torch

    states = given["hidden_states"] if "hidden_states" in given else args[0]
    size = PERTURBATION_SCALE * states.float().pow(2).mean().sqrt().clamp(min=0.1)
    perturbed = states.clone()
    other = torch.arange(states.shape[-1], device=states.device).cos() * size
    perturbed[range(len(ends)), [last for _, last in ends]] = other.to(states.dtype)
    if "hidden_states" in given:
        after = layer.forward(*args, **{**given, "hidden_states": perturbed})[0]
    else:
        after = layer.forward(perturbed, *args[1:], **given)[0]
    change = (after.float() - before.float()).norm(dim=-1)
    moved = (change > MINIMAL_CHANGE * before.float().norm(dim=-1)).tolist()
    return {moved[row][place] for row, (first, last) in enumerate(ends) for place in range(first, last)}


def _kinds(network: "PreTrainedModel") -> "dict[nn.Module, int]":
    """Return the first attention layer of each kind, and its number."""
    kinds: dict[tuple[object, ...], tuple[nn.Module, int]] = {}
    for number, (name, layer) in enumerate(_layers(network)):
        block = network.get_submodule(name.rpartition(".")[0])
        kind: list[object] = [_window(network, layer, number), _layer_type(network, layer, number)]
        kind += [getattr(layer, key, None) for key in ("is_causal", "layer_type")]
        for part in (layer, block):
            changed = [part.__dict__.get("forward"), *part._forward_pre_hooks.values(), *part._forward_hooks.values()]
            kind += [type(part), tuple(map(id, changed))]
        kinds.setdefault(tuple(kind), (layer, number))
    return dict(kinds.values())


def _window(network: "PreTrainedModel", layer: "nn.Module", number: int) -> int:
    """Return the sliding window of an attention layer in tokens, 0 if it has none."""
    if hasattr(layer, "sliding_window"):
        return getattr(layer, "sliding_window", None) or 0
    # Mistral's layers have no attribute of their own: the window is in the configuration only.
    slides = _layer_type(network, layer, number) in (None, "sliding_attention")
    return (getattr(network.config, "sliding_window", None) or 0) if slides else 0


def _layer_type(network: "PreTrainedModel", layer: "nn.Module", number: int) -> str | None:
    types = getattr(getattr(layer, "config", network.config), "layer_types", None) or []
    return types[number] if number < len(types) else None


def _layers(network: "nn.Module") -> "list[tuple[str, nn.Module]]":
    return [(name, module) for name, module in network.named_modules() if name.endswith("self_attn")]
