"""Small random decoders in memory."""

import torch
import transformers

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "max_position_embeddings": 128}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
WINDOW = {"sliding_window": 12, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}


def network(
    family: str, implementation: str, *, vocab_size: int = 100, **options: object
) -> transformers.PreTrainedModel:
    """Return a small random decoder."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=vocab_size, pad_token_id=0, **{**SHAPE, **HEADS, **options}
    )
    return getattr(transformers, f"{family}Model")._from_config(config, attn_implementation=implementation)
