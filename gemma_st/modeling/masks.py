"""The proof that an encoder's attention is bidirectional: push a token's state, and those of all before it must move.

Libraries fall back to a causal mask silently (an ignored flag, an attention implementation that does not honour it, a
padded batch that takes another path), and the scores still look like scores. So the mask is never trusted, but tested:
on one text and on a batch padded on either side, below and above the sliding window, and with gradient checkpointing
where that is on.

What is run are the model's own layers, but only as many as it takes to come by one attention layer of each kind. Layers
are of a kind if they are the same code (class, own ``forward``, hooks, in the attention and in the block around it)
with the same attributes (layer type, window, ``is_causal``): transformers makes one mask a layer type and hands it to
all of them, so what holds for one holds for the others. A layer that somebody has changed is a kind of its own.
Heads are made to look at all that the mask lets them see alike, since trained ones give most tokens next to no weight.
A window wider than ``WINDOW`` tokens is narrowed to that while the proof lasts: a text beyond the 4096 of Gemma 2 would
take seconds. That proves the mask the model makes above its window; that its kernels are right for a text of thousands
of tokens is left to their authors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

MOVED = 1e-6  # relative change of an attention's output that counts as "it saw the other token"
FAR = 10.0  # size of the state put in place of a token's, in units of the others'
EVEN = 1e-6  # scaling of an attention's logits at which a head looks at all tokens it may see alike
TEXT = 8  # tokens of a short text
WINDOW = 16  # tokens

Span = tuple[int, int]  # where a row's text begins and ends; the rest of the row is padding
Seen = dict[int, set[bool]]  # layer → {True}: the tokens before the one pushed saw it; {False}: none did; or both


class _Enough(Exception):
    """No error: every kind of layer has been seen, and the forward pass may stop."""


def verify_bidirectional(model: "nn.Module") -> None:
    """Prove by perturbation that in every kind of attention layer each token sees the tokens after it.

    A layer with a sliding window w sees the tokens at a distance of up to w on either side under ``is_causal=False``,
    and of less than ``config.sliding_window`` under Gemma 3's own flag, which has halved that number: so the farthest
    token tried there is w - 1 away. In any other layer it is the last token of the text.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model, with or
            without an adapter.

    Raises:
        ModelError: A token does not see one after it: alone, in a padded batch, or beyond the window.
    """
    verify_attention(model, "bidirectional")


def verify_attention(model: "nn.Module", attention: str) -> None:
    """Prove by perturbation that the attention mask is the one named; the model is left as it was.

    Args:
        model: As for [gemma_st.modeling.masks.verify_bidirectional][].
        attention: ``"bidirectional"`` or ``"causal"``.

    Raises:
        ModelError: The mask of a layer is another one.
    """
    network = _network(model)
    checkpointed = [part for part in network.modules() if getattr(part, "gradient_checkpointing", False)]
    with _settled(network) as window:
        for case, spans in _cases(window):
            _verify(network, attention, spans, case)
        if checkpointed:
            # In training mode themselves, with all that is in them in evaluation mode: what draws at random stays out.
            for part in checkpointed:
                part.training = True
            for case, spans in _cases(window):
                _verify(network, attention, spans, f"{case}, checkpointed")


def _verify(network: "PreTrainedModel", attention: str, spans: list[Span], case: str) -> None:
    for layer, sees in _who_sees(network, spans).items():
        if sees != {attention == "bidirectional"}:
            found = "causal" if sees == {False} else "bidirectional" if sees == {True} else "bidirectional in part"
            raise ModelError(
                f"the attention of {type(network).__name__} is {found} in layer {layer} for {case} "
                f"({network.config._attn_implementation}), but {attention} was asked for; "
                "set config.is_causal after loading and use attn_implementation='sdpa' or 'eager'"
            )


def _cases(window: int) -> Iterator[tuple[str, list[Span]]]:
    """Yield each arrangement of texts to prove the mask on, given the widest window (0 for none)."""
    short = max(min(TEXT, window or TEXT), 4)
    yield "one text", [(0, short)]
    yield "a padded batch", [(0, short), (0, short - 2), (2, short)]
    if window:
        long = window + 2
        yield "a text longer than the sliding window", [(0, long)]
        yield "a padded batch of texts longer than the sliding window", [(0, long + 2), (0, long), (2, long + 2)]


def _who_sees(network: "PreTrainedModel", spans: list[Span]) -> Seen:
    """Return for a layer of each kind whether the tokens before the farthest one in the first one's window see it.

    The attention layer is run again on the input it has just had, but for the farthest token's state, and its output is
    compared before it joins the residual stream, where a small change could drown.
    """
    import torch

    width, found = max(stop for _, stop in spans), {}
    mask = torch.tensor([[first <= place < stop for place in range(width)] for first, stop in spans]).long()
    tokens = torch.arange(mask.numel()).view_as(mask) % network.get_input_embeddings().num_embeddings
    kinds = _kinds(network)

    def probe(layer: "nn.Module", args: tuple[Any, ...], given: dict[str, Any], output: tuple["Tensor", Any]) -> None:
        number = kinds[layer]
        reach = (_window(network, layer, number) or width) - 1
        ends = [(first, min(stop - 1, first + reach)) for first, stop in spans]
        found[number] = _moves(layer, ends, args, given, output[0])
        if len(found) == len(kinds):
            raise _Enough

    hooks = [layer.register_forward_hook(probe, with_kwargs=True) for layer in kinds]
    try:
        with torch.no_grad():
            network(input_ids=tokens.to(network.device), attention_mask=mask.to(network.device), use_cache=False)
    except _Enough:
        return found
    finally:
        for hook in hooks:
            hook.remove()
    unseen = sorted(set(kinds.values()) - set(found))
    raise ModelError(f"{type(network).__name__} ran none of its attention layers {unseen}; pass its text model")


def _moves(
    layer: "nn.Module", ends: list[Span], args: tuple[Any, ...], given: dict[str, Any], before: "Tensor"
) -> set[bool]:
    """Return whether the outputs of each row's tokens before the last move with the last one's state.

    Args:
        layer: An attention layer.
        ends: First and last token of each row.
        args: What the layer was called with.
        given: What it was called with by name.
        before: What it returned, of shape ``(rows, tokens, width)``.
    """
    import torch

    states = given["hidden_states"] if "hidden_states" in given else args[0]
    size = FAR * states.float().pow(2).mean().sqrt().clamp(min=0.1)
    pushed = states.clone()
    other = torch.arange(states.shape[-1], device=states.device).cos() * size
    pushed[range(len(ends)), [last for _, last in ends]] = other.to(states.dtype)
    if "hidden_states" in given:
        after = layer.forward(*args, **{**given, "hidden_states": pushed})[0]
    else:
        after = layer.forward(pushed, *args[1:], **given)[0]
    change = (after.float() - before.float()).norm(dim=-1)
    moved = (change > MOVED * before.float().norm(dim=-1)).tolist()
    return {moved[row][place] for row, (first, last) in enumerate(ends) for place in range(first, last)}


@contextmanager
def _settled(network: "PreTrainedModel") -> Iterator[int]:
    """Make a network's masks easy to see, give its widest window, and undo it all afterwards.

    It is put into evaluation mode, wide windows are narrowed, and heads look at all they may see alike: trained ones
    give most tokens next to no weight, which in bfloat16 comes to none, as if they were masked.
    """
    training = [(part, part.training) for part in network.modules()]
    layers: list[Any] = [layer for _, layer in _layers(network)]
    owners = [network.config, *(layer.config for layer in layers if hasattr(layer, "config")), *layers]
    wide = [(owner, owner.sliding_window) for owner in owners if (getattr(owner, "sliding_window", None) or 0) > WINDOW]
    scaled = [(layer, layer.scaling) for layer in layers if hasattr(layer, "scaling")]
    network.eval()
    try:
        for owner, _ in wide:
            owner.sliding_window = WINDOW
        for layer, _ in scaled:
            layer.scaling = EVEN
        yield max(_window(network, layer, number) for number, layer in enumerate(layers))
    finally:
        for part, was in training:
            part.training = was
        for owner, window in wide:
            owner.sliding_window = window
        for layer, scaling in scaled:
            layer.scaling = scaling


def _kinds(network: "PreTrainedModel") -> "dict[nn.Module, int]":
    """Return the first attention layer of each kind, and its number."""
    kinds: dict[tuple[object, ...], tuple[nn.Module, int]] = {}
    for number, (name, layer) in enumerate(_layers(network)):
        block = network.get_submodule(name.rpartition(".")[0])
        kind: list[object] = [_window(network, layer, number), _type(network, layer, number)]
        kind += [getattr(layer, key, None) for key in ("is_causal", "layer_type")]
        for part in (layer, block):
            changed = [part.__dict__.get("forward"), *part._forward_pre_hooks.values(), *part._forward_hooks.values()]
            kind += [type(part), tuple(map(id, changed))]
        kinds.setdefault(tuple(kind), (layer, number))
    return dict(kinds.values())


def _window(network: "PreTrainedModel", layer: "nn.Module", number: int) -> int:
    """Return the window of an attention layer in tokens, 0 where it sees all."""
    if hasattr(layer, "sliding_window"):
        return getattr(layer, "sliding_window", None) or 0
    slides = _type(network, layer, number) in (None, "sliding_attention")  # Mistral's is in the configuration only
    return (getattr(network.config, "sliding_window", None) or 0) if slides else 0


def _type(network: "PreTrainedModel", layer: "nn.Module", number: int) -> str | None:
    types = getattr(getattr(layer, "config", network.config), "layer_types", None) or []
    return types[number] if number < len(types) else None


def _network(model: "nn.Module") -> "PreTrainedModel":
    from transformers import PreTrainedModel

    network = getattr(model, "transformers_model", model)
    base = getattr(network, "get_base_model", None)  # of a model with an adapter
    network = base() if callable(base) else network
    if not isinstance(network, PreTrainedModel) or not _layers(network) or network.config.is_encoder_decoder:
        raise ModelError(f"{type(network).__name__} holds no transformers decoder whose attention could be tested")
    return network


def _layers(network: "nn.Module") -> "list[tuple[str, nn.Module]]":
    return [(name, module) for name, module in network.named_modules() if name.endswith("self_attn")]
