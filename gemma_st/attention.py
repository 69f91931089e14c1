"""The proof that an encoder's attention is bidirectional: change the last token, and the first one's state must move.

Libraries fall back to a causal mask silently (an ignored flag, an attention implementation that does not honour it, a
padded batch that takes another path), and the scores still look like scores. So the mask is never trusted, but tested:
on one text, on a padded batch, and beyond the sliding window where there is one.
"""

from typing import TYPE_CHECKING

from gemma_st.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

SHORT = 8
MOVED = 1e-6  # relative change of a state that counts as "it saw the other token"


def verify_bidirectional(model: "nn.Module") -> None:
    """Prove by perturbation that every token sees every other one.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model.

    Raises:
        ModelError: The first token does not see the last one, alone or in a padded batch.
    """
    verify_attention(model, "bidirectional")


def verify_attention(model: "nn.Module", attention: str) -> None:
    """Prove by perturbation that the attention mask is the one named.

    Args:
        model: A sentence-transformers model whose first module is a ``Transformer``, or a transformers model.
        attention: ``"bidirectional"`` or ``"causal"``.

    Raises:
        ModelError: The mask is another one.
    """
    network = _network(model)
    for name, padded, length in _cases(network):
        sees = _first_sees_last(network, length, padded=padded)
        if sees != (attention == "bidirectional"):
            raise ModelError(
                f"the attention of {type(network).__name__} is {'bidirectional' if sees else 'causal'} for {name} "
                f"({network.config._attn_implementation}), but {attention} was asked for; "
                "set config.is_causal after loading and use attn_implementation='sdpa' or 'eager'"
            )


def _cases(network: "PreTrainedModel") -> list[tuple[str, bool, int]]:
    """Name, whether the batch is padded, and length in tokens of each arrangement to prove."""
    return [("one text", False, SHORT), ("a padded batch", True, SHORT)]


def _first_sees_last(network: "PreTrainedModel", length: int, *, padded: bool) -> bool:
    import torch

    vocabulary = network.get_input_embeddings().num_embeddings
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary // 2, vocabulary, (1, length), generator=generator)
    changed = tokens.clone()
    changed[0, -1] = (tokens[0, -1] + 1) % vocabulary
    before, after = (_first_state(network, ids, padded=padded) for ids in (tokens, changed))
    return bool((before - after).norm() > MOVED * before.norm())


def _first_state(network: "PreTrainedModel", tokens: "Tensor", *, padded: bool) -> "torch.Tensor":
    import torch

    mask = torch.ones_like(tokens)
    if padded:  # the row of interest is the shorter one of two
        tokens = torch.cat([torch.nn.functional.pad(tokens, (0, 3)), torch.nn.functional.pad(tokens, (0, 3), value=1)])
        mask = torch.cat([torch.nn.functional.pad(mask, (0, 3)), torch.ones_like(tokens[:1])])
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            output = network(
                input_ids=tokens.to(network.device), attention_mask=mask.to(network.device), use_cache=False
            )
    finally:
        network.train(was_training)
    state: torch.Tensor = output.last_hidden_state[0, 0].float()
    return state


def _network(model: "nn.Module") -> "PreTrainedModel":
    from transformers import PreTrainedModel

    network = getattr(model, "transformers_model", model)
    if not isinstance(network, PreTrainedModel):
        raise ModelError(f"{type(model).__name__} holds no transformers model whose attention could be tested")
    return network
