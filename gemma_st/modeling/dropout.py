"""Dropout for fine-tuning: forward hooks that live while a model is trained, and nothing of it in the saved model."""

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Output = Tensor | tuple[Tensor, ...] | MutableMapping[str, Tensor]
    Place = tuple[nn.Module, str, float]  # a module, the key of its vector if it makes features, the rate

# flex_attention refuses dropout, and flash attention 3 and 4 ignore it: what is not known to honour it is out.
HONOUR_DROPOUT = ("eager", "sdpa", "flash_attention_2")
_dropping: "WeakSet[nn.Module]" = WeakSet()  # the networks inside fine_tuning_dropout now


@dataclass(frozen=True)
class DropoutRates:
    """Shares of values dropped while training; a rate of 0 leaves its part as the model's configuration has it.

    Attributes:
        attention: Attention weights after the softmax, in each layer.
        attention_output: Outputs of each self-attention, after its projection and before any norm behind it.
        feed_forward: Outputs of each layer's feed-forward network, before any norm behind it.
        pooler: The pooled vector.
        head: What the head's last Dense gets: hidden units (normalise → Dense → activation → dropout → Dense), or of a
            linear head, which has none, the normalised vector (normalise → dropout → Dense).

    Raises:
        ModelError: A rate is not a number of at least 0 and below 1.
    """

    attention: float = 0.0
    attention_output: float = 0.0
    feed_forward: float = 0.0
    pooler: float = 0.0
    head: float = 0.0

    def __post_init__(self) -> None:
        """Check the rates."""
        for name, rate in vars(self).items():
            if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate < 1:
                raise ModelError(f"dropout {name}={rate!r}; expected 0 ≤ rate < 1: give a share, such as 0.1")


@contextmanager
def fine_tuning_dropout(model: "nn.Module", rates: DropoutRates) -> Iterator[None]:
    """Drop values in the modules of a model that are in training mode, for as long as the context lasts.

    Modules in evaluation mode compute what they always do, to the bit. Configuration, parameters and saved files are
    untouched, also those of a checkpoint saved inside. Keep the backward pass inside as well: under gradient
    checkpointing it runs the layers again, with the same values dropped.

    Args:
        model: A sentence-transformers model: ``Transformer`` → pooler → any head.
        rates: How much to drop where.

    Raises:
        ModelError: The model lacks a part to drop values in, would ignore its rate, or drops values there already.

    Example:
        ```python
        from gemma_st import CrossEncoder
        from gemma_st.modeling.dropout import DropoutRates, fine_tuning_dropout

        model = CrossEncoder("gemma-encoder-msmarco").train()
        with fine_tuning_dropout(model, DropoutRates(attention=0.1, feed_forward=0.1)):
            model(model.preprocess([("do goldfish grow", "Up to 30 cm.")]))["scores"].square().mean().backward()
        ```
    """
    from sentence_transformers.base.modules import Transformer

    chain = list(model.children())
    if not chain or not isinstance(chain[0], Transformer):
        raise ModelError(f"{type(model).__name__} begins with no Transformer; pass a sentence-transformers model")
    network = chain[0].model
    if network in _dropping:
        raise ModelError("the model is within fine_tuning_dropout already; leave that, or give all rates at once")
    # All are looked up before the first is changed: an error leaves no trace.
    softmaxes = _softmaxes(network) if rates.attention else []
    places = _places(chain, network, rates)
    with ExitStack() as undo:
        _dropping.add(network)
        undo.callback(_dropping.discard, network)
        for module, key, rate in places:
            undo.callback(module.register_forward_hook(partial(_drop, rate, key)).remove)
        for attention in softmaxes:
            # The module, not the configuration: that is read when the module is made, and is saved.
            undo.callback(setattr, attention, "attention_dropout", attention.attention_dropout)
            attention.attention_dropout = rates.attention
        yield


def _drop(rate: float, key: str, module: "nn.Module", _: object, output: "Output") -> "Output":
    """Drop values of what a module made: of a tensor, the first of a tuple, or what features hold under the key."""
    from torch.nn.functional import dropout

    if not module.training:
        return output
    if not isinstance(output, MutableMapping):  # features are often a tokenizer's BatchEncoding, which is no dict
        return (dropout(output[0], rate), *output[1:]) if isinstance(output, tuple) else dropout(output, rate)
    if key not in output:
        raise ModelError(f"{type(module).__name__} makes no {key} to drop values of; set that rate to 0")
    output[key] = dropout(output[key], rate)
    return output


def _parts(network: "nn.Module", name: str, rate: str) -> list[Any]:
    """Return a part of each layer, found by its name, which stays where an adapter has changed what is inside."""
    layers = [module for module in network.modules() if hasattr(module, "self_attn")]
    if not layers or not all(hasattr(layer, name) for layer in layers):
        raise ModelError(f"dropout {rate}: the layers of {type(network).__name__} have no {name}; set it to 0")
    return [getattr(layer, name) for layer in layers]


def _softmaxes(network: "nn.Module") -> list[Any]:
    attentions = _parts(network, "self_attn", "attention")
    for attention in attentions:
        implementation = getattr(getattr(attention, "config", None), "_attn_implementation", None)
        if implementation not in HONOUR_DROPOUT or not hasattr(attention, "attention_dropout"):
            raise ModelError(
                f"dropout attention: {type(attention).__name__} under {implementation} would not honour it; "
                f"set attn_implementation to one of {', '.join(HONOUR_DROPOUT)}, or the rate to 0"
            )
    return attentions


def _places(chain: "list[nn.Module]", network: "nn.Module", rates: DropoutRates) -> "list[Place]":
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    if (rates.pooler or rates.head) and any(isinstance(module, Dropout) and module.dropout for module in chain):
        raise ModelError("dropout pooler or head: the model has a Dropout module of its own; set these rates to 0")
    pooler = [module for module in chain[1:2] if not isinstance(module, Dense | Dropout | LayerNorm | Normalize)]
    if rates.pooler and not pooler:
        raise ModelError("dropout pooler: no pooler follows the Transformer; set it to 0")
    hidden = [module for module in chain if isinstance(module, Dense)][:-1]
    if not hidden and isinstance(chain[-1], Dense):
        hidden = [module for module in chain[-2:-1] if isinstance(module, LayerNorm)]
    if rates.head and not hidden:
        raise ModelError(
            "dropout head: the model has no head of two Dense modules, or LayerNorm and Dense; set it to 0"
        )
    places = [(module, "sentence_embedding", rates.pooler) for module in pooler]
    places += [(module, getattr(module, "module_output_name", "sentence_embedding"), rates.head) for module in hidden]
    for name, rate in (("self_attn", "attention_output"), ("mlp", "feed_forward")):
        if share := getattr(rates, rate):
            places += [(part, "", share) for part in _parts(network, name, rate)]
    return [place for place in places if place[2]]
