"""Dropout during fine-tuning, by forward hooks that are removed afterwards; the saved model contains none of it."""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Output = Tensor | tuple[Tensor, ...] | MutableMapping[str, Tensor]
    Place = tuple[nn.Module, str, float]  # module, key of its vector if its output is features, rate

# flex_attention refuses dropout, and flash attention 3 and 4 ignore it; other implementations are refused as well.
HONOUR_DROPOUT = ("eager", "sdpa", "flash_attention_2")
_active: "WeakSet[nn.Module]" = WeakSet()  # networks whose fine_tuning_dropout context is open


@dataclass(frozen=True)
class DropoutRates:
    """Dropout rates during training; with a rate of 0 a part keeps the rate of the model's configuration.

    Attributes:
        attention: Rate for the attention weights after the softmax, in each layer.
        attention_output: Rate for the output of each self-attention, after its projection and before any norm.
        feed_forward: Rate for the output of each layer's feed-forward network, before any norm.
        pooler: Rate for the pooled vector.
        head: Rate for the input of the head's last Dense: the hidden units (LayerNorm → Dense → activation → dropout →
            Dense), or the normalised vector of a linear head (LayerNorm → dropout → Dense).

    Examples:
        >>> DropoutRates(head=1.5)
        Traceback (most recent call last):
        gemma_st.errors.ModelError: dropout head=1.5; expected 0 ≤ rate < 1: give a share, such as 0.1
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
    """Apply dropout in the modules of a sentence-transformers model that are in training mode, until the context ends.

    Modules in evaluation mode compute exactly the same as before. The configuration, the parameters and saved files
    are not changed, not even in a checkpoint saved inside the context. The backward pass belongs inside the context
    too: with gradient checkpointing it runs the layers again and drops the same values.

    Raises:
        ModelError: The model lacks a part that has a rate, would ignore the rate, or has dropout there already.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> model = CrossEncoder("reranker").train()
        >>> with fine_tuning_dropout(model, DropoutRates(attention=0.1, feed_forward=0.1)):
        ...     model(model.preprocess([("do goldfish grow", "Up to 30 cm.")]))["scores"].sum().backward()
    """
    from sentence_transformers.base.modules import Transformer

    chain = list(model.children())
    if not chain or not isinstance(chain[0], Transformer):
        raise ModelError(
            f"{type(model).__name__} does not begin with a Transformer; pass a sentence-transformers model"
        )
    network = chain[0].model
    if network in _active:
        raise ModelError("the model is already inside fine_tuning_dropout; give all rates to that context")
    # We find all parts before we change the first, so that an error changes nothing.
    attentions = _attentions(network) if rates.attention else []
    places = _places(chain, network, rates)
    with ExitStack() as undo:
        _active.add(network)
        undo.callback(_active.discard, network)
        for module, key, rate in places:
            undo.callback(module.register_forward_hook(partial(_drop, rate, key)).remove)
        for attention in attentions:
            # We set the rate in the module, because the configuration is saved and not read again.
            undo.callback(setattr, attention, "attention_dropout", attention.attention_dropout)
            attention.attention_dropout = rates.attention
        yield


def _drop(rate: float, key: str, module: "nn.Module", _: object, output: "Output") -> "Output":
    """Apply dropout to a module's output: to a tensor, to the first item of a tuple, or to a key of features."""
    from torch.nn.functional import dropout

    if not module.training:
        return output
    if not isinstance(output, MutableMapping):  # features may be a BatchEncoding, which is not a dict
        return (dropout(output[0], rate), *output[1:]) if isinstance(output, tuple) else dropout(output, rate)
    if key not in output:
        raise ModelError(f"{type(module).__name__} outputs no {key} to apply dropout to; set its rate to 0")
    output[key] = dropout(output[key], rate)
    return output


def _parts(network: "nn.Module", name: str, rate: str) -> list[Any]:
    """Return one part of each layer by its name, which an adapter does not change."""
    layers = [module for module in network.modules() if hasattr(module, "self_attn")]
    if not layers or not all(hasattr(layer, name) for layer in layers):
        raise ModelError(f"dropout {rate}: the layers of {type(network).__name__} have no {name}; set it to 0")
    return [getattr(layer, name) for layer in layers]


def _attentions(network: "nn.Module") -> list[Any]:
    """Return the self-attention modules; refuse an implementation that ignores their dropout rate."""
    attentions = _parts(network, "self_attn", "attention")
    for attention in attentions:
        implementation = getattr(getattr(attention, "config", None), "_attn_implementation", None)
        if implementation not in HONOUR_DROPOUT or not hasattr(attention, "attention_dropout"):
            raise ModelError(
                f"dropout attention: {type(attention).__name__} under {implementation} would ignore the rate; "
                f"set attn_implementation to one of {', '.join(HONOUR_DROPOUT)}, or the rate to 0"
            )
    return attentions


def _places(chain: "list[nn.Module]", network: "nn.Module", rates: DropoutRates) -> "list[Place]":
    """Return the modules whose outputs get dropout; refuse a rate for a part that the model lacks."""
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    if (rates.pooler or rates.head) and any(isinstance(module, Dropout) and module.dropout for module in chain):
        raise ModelError("dropout pooler or head: the model has a Dropout module of its own; set these rates to 0")
    pooler = [module for module in chain[1:2] if not isinstance(module, Dense | Dropout | LayerNorm | Normalize)]
    if rates.pooler and not pooler:
        raise ModelError("dropout pooler: no pooler follows the Transformer; set it to 0")
    dense = [module for module in chain if isinstance(module, Dense)]
    hidden: Sequence[nn.Module] = dense[:-1]
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
