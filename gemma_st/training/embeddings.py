"""Cheaper training: leave the table of token embeddings as it is, and train with the tokens that occur only."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from gemma_st.modeling.vocabulary import Vocabulary, count_tokens, restrict

if TYPE_CHECKING:
    from gemma_st.cross_encoder import CrossEncoder

Freeze = Literal["auto"] | bool
logger = logging.getLogger(__name__)


def embeddings_are_frozen(model: "CrossEncoder", choice: Freeze) -> bool:
    """Return whether the table of token embeddings is not trained; ``"auto"``: if it is larger than all layers.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> embeddings_are_frozen(CrossEncoder("reranker"), "auto")  # 32,000 parameters, and 18,592 in the layers
        True
    """
    network: Any = model.transformers_model
    table = network.get_input_embeddings().weight.numel()
    return 2 * table > sum(p.numel() for p in network.parameters()) if choice == "auto" else choice


def freeze_embeddings(model: "CrossEncoder", choice: Freeze) -> bool:
    """Exclude the table of token embeddings from training if ``choice`` says so, and return whether it is excluded.

    The optimizer keeps no state for it and the backward pass computes no gradient: in Gemma 3 270M the table is 168M of
    268M parameters.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> freeze_embeddings(model := CrossEncoder("reranker"), True)
        True
        >>> model.transformers_model.embed_tokens.weight.requires_grad
        False
    """
    if not embeddings_are_frozen(model, choice):
        return False
    network: Any = model.transformers_model
    table = network.get_input_embeddings().weight.requires_grad_(False)
    if choice == "auto":
        parts = f"{table.numel():,} of {sum(p.numel() for p in model.parameters()):,} parameters"
        logger.warning("the token embeddings (%s) are not trained; freeze_embeddings = false trains them", parts)
    return True


def restrict_to(model: "CrossEncoder", texts: Iterable[str]) -> Vocabulary:
    """Reduce a model to the tokens of its training texts, and return its whole vocabulary, to be put back.

    Examples:
        >>> from gemma_st import CrossEncoder
        >>> whole = restrict_to(model := CrossEncoder("reranker"), ["patent license"])
        >>> len(whole.tokenizer) - len(model.tokenizer) > 500
        True
    """
    whole = restrict(model, count_tokens(model.tokenizer, texts))
    logger.info("%d of %d tokens occur in the training texts", len(model.tokenizer), len(whole.tokenizer))
    return whole
