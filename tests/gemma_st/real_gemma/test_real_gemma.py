"""What the project claims of Gemma 3, on pretrained weights: ``GEMMA_270M=DIR pytest -m slow`` in this folder.

Without ``-m slow`` the same tests run on a small random Gemma 3.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from gemma_st import CrossEncoder, ModelError, verify_bidirectional
from gemma_st.build import cross_encoder
from gemma_st.modeling.backbone import backbone
from gemma_st.modeling.masks import verify_attention
from gemma_st.modeling.pooling import pooler
from gemma_st.modeling.template import read_template
from gemma_st.modeling.vocabulary import count_tokens, restore, restrict
from tests.gemma_st.conftest import PAIRS, Pairs
from tests.gemma_st.real_gemma.conftest import LONGER

POOLERS = ("mean", "first", "last", "query-probe", "kv-probe")
TEXTS = [text for pair in LONGER for text in pair]
Encode = Callable[[list[str], str], dict[str, Tensor]]


def states(network: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    """Return the last hidden states, 0 at padding."""
    with torch.no_grad():
        found = network(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
    return found.last_hidden_state * inputs["attention_mask"][..., None]


@pytest.mark.parametrize("side", ["left", "right"])
def test_causal_hidden_states_are_those_of_transformers(
    model: CrossEncoder, stock_decoder: PreTrainedModel, encode: Encode, side: str
) -> None:
    """To 1e-4, in a padded batch; the bidirectional ones differ."""
    ours, inputs = model.transformers_model, encode(TEXTS, side)
    expected, both = states(stock_decoder, inputs), states(ours, inputs)
    ours.config.is_causal = True
    try:
        verify_attention(ours, "causal")
        assert torch.allclose(states(ours, inputs), expected, atol=1e-4)
    finally:
        ours.config.is_causal = False
    assert (both - expected).abs().max() > 0.1


def test_the_mask_is_bidirectional(model: CrossEncoder, encode: Encode) -> None:
    """By the library's own check, and by the first token's state, which the last word changes."""
    verify_bidirectional(model)
    first = states(model.transformers_model, encode(["do goldfish grow", "do goldfish sleep"], "right"))[:, 0]
    assert (first[0] - first[1]).abs().max() > 1e-2


def test_padding_and_batch_change_no_pooled_vector(model: CrossEncoder, encode: Encode) -> None:
    """Alone and in a batch, padded on the left and on the right, all poolers give the same to 1e-4 of its size."""
    width, network, texts = model[0].get_embedding_dimension(), model.transformers_model, TEXTS[1::2]
    batches = [encode(texts, "left"), encode(texts, "right"), *(encode([text], "right") for text in texts)]
    features = [{"token_embeddings": states(network, batch), **batch} for batch in batches]
    for name in POOLERS:
        torch.manual_seed(0)
        pooling = pooler(name, width).eval()
        with torch.no_grad():
            found = [pooling(dict(batch))["sentence_embedding"] for batch in features]
        left, right, alone = found[0], found[1], torch.cat(found[2:])
        assert torch.allclose(left, right, atol=1e-4 * float(right.abs().max())), name
        assert torch.allclose(alone, right, atol=1e-4 * float(right.abs().max())), name


def test_a_pair_is_put_into_the_template_and_can_be_read_again(model: CrossEncoder, loaded: CrossEncoder) -> None:
    """Also after saving and loading, for texts in many scripts."""
    for tokenizer in (model.tokenizer, loaded.tokenizer):
        assert read_template(tokenizer) == "<bos> Query: {query} Document: {document} <eos>"
        for query, document in LONGER:
            ids = tokenizer(query, document).input_ids
            parts = ["Query:", query, " Document:", document]
            plain = [tokenizer(part, add_special_tokens=False).input_ids for part in parts]
            assert ids == [tokenizer.bos_token_id, *sum(plain, []), tokenizer.eos_token_id]
            assert tokenizer.decode(ids[1:-1], clean_up_tokenization_spaces=False) == "".join(parts)


def test_float16_is_refused_with_its_reason(base: Path) -> None:
    """Before any weight is read."""
    with pytest.raises(ModelError, match="dtype='float16' overflows in Gemma 3; use bfloat16 or float32"):
        backbone(base, dtype="float16")


def test_a_saved_model_scores_the_same_in_both_classes(
    model: CrossEncoder, loaded: CrossEncoder, saved: Path, stock: Callable[[Path, Pairs], list[object]]
) -> None:
    """Ours, and stock sentence-transformers in a process without gemma_st."""
    expected = model.predict(PAIRS)
    assert len(set(expected)) == len(PAIRS)
    assert np.allclose(loaded.predict(PAIRS), expected, atol=1e-5)
    scores, labels, _, dtype = stock(saved, PAIRS)
    assert np.allclose(scores, expected, atol=1e-5)
    assert (labels, dtype) == (1, "torch.float32")
    assert json.loads((saved / "config.json").read_text())["is_causal"] is False


def test_fewer_tokens_score_the_same_and_all_come_back(model: CrossEncoder) -> None:
    """Exact for the texts whose tokens were kept."""
    expected, unseen = model.predict(LONGER), model.predict([("zebra", "quick brown fox")])
    whole = restrict(model, count_tokens(model.tokenizer, TEXTS))
    try:
        assert len(model.tokenizer) < len(whole.tokenizer)
        assert np.allclose(model.predict(LONGER), expected, atol=1e-5)
    finally:
        restore(model, whole)
    assert np.allclose(model.predict([("zebra", "quick brown fox")]), unseen, atol=1e-6)


def test_bfloat16_keeps_the_scores(base: Path, model: CrossEncoder) -> None:
    """To a few hundredths, with the head in float32."""
    torch.manual_seed(0)
    narrow = cross_encoder(base, max_length=256, dtype="bfloat16")
    for own, other in zip(list(narrow)[1:], list(model)[1:], strict=True):
        own.load_state_dict(other.state_dict())
    assert np.allclose(narrow.predict(PAIRS), model.predict(PAIRS), atol=0.05)
