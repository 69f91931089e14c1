"""The formulas of the poolers, and their invariance to padding, order and neighbours."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gemma_st.errors import ModelError
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.modeling.pooling.conftest import (
    ALL,
    batch,
    each,
    each_attention,
    each_side,
    make,
    pool,
    texts,
)


def reference(pooling: nn.Module, x: NDArray[np.float32], name: str, k: int = 1, **_: Any) -> NDArray[np.float32]:
    """Pool the states ``(n, D)`` of one text as the docstrings define it."""
    if not name.endswith("-probe"):
        return {"mean": x, "first": x[:k], "last": x[-k:]}[name].mean(0)
    w = {key: value.detach().numpy() for key, value in pooling.named_parameters()}
    if name == "query-probe":
        query, key, value = w["queries"], x @ w["key.weight"].T, x @ w["value.weight"].T
    else:
        query, key, value = x @ w["query.weight"].T, w["keys"], w["values"]
    heads = []
    for q, k_, v in zip(*(np.split(part, pooling.heads, axis=1) for part in (query, key, value)), strict=True):
        weights = np.exp(q @ k_.T / np.sqrt(q.shape[1]))
        heads.append((weights / weights.sum(1, keepdims=True) @ v).mean(0))
    return w["output.weight"] @ np.concatenate(heads)


@each
@each_side
def test_the_formula_holds_for_each_text_of_a_batch(case: str, side: str) -> None:
    """Some of the texts are shorter than K."""
    pooling = make(case)
    pooled = pool(pooling, batch(texts(), side)).detach().numpy()
    expected = [reference(pooling, text.numpy(), **ALL[case]) for text in texts()]
    assert np.allclose(pooled, expected, atol=1e-5)


@each
@each_side
@pytest.mark.parametrize("extra", [0, 1, 20])
def test_padding_order_and_neighbours_change_nothing(case: str, side: str, extra: int) -> None:
    """The vectors equal those of each text alone."""
    pooling, states = make(case), texts()
    alone = torch.cat([pool(pooling, batch([text])) for text in states])
    order = [2, 0, 3, 1]
    shuffled = pool(pooling, batch([states[row] for row in order], side, extra))
    assert torch.allclose(shuffled, alone[order], atol=1e-5)
    among_others = pool(pooling, batch([*texts((9, 4), seed=1), states[0]], side, extra))
    assert torch.allclose(among_others[-1], alone[0], atol=1e-5)


@each
@each_side
@pytest.mark.parametrize("prompt", [2, torch.tensor([2]), torch.tensor([2, 2, 2])], ids=["number", "one", "each"])
def test_a_prompt_is_left_out(case: str, side: str, prompt: int | Tensor) -> None:
    """The prompt length is given in each form of the stock class; it has no effect if the prompt is included."""
    states = texts((7, 3, 5))
    features, without = batch(states, side, extra=2), batch([text[2:] for text in states])
    pooling = make(case, include_prompt=False)
    expected = pool(pooling, without)
    assert torch.allclose(pool(pooling, features, prompt_length=prompt), expected, atol=1e-5)
    assert torch.equal(pool(pooling, features), pool(make(case), features, prompt_length=prompt))
    assert not torch.allclose(pool(make(case), features)[0], expected[0], atol=1e-3) or case.startswith("last")
    assert features["attention_mask"].sum() == 15  # what the features' owner may use again is left as it was


@each
@pytest.mark.parametrize(("lengths", "prompt", "seen"), [((3, 0, 0), 0, "0 real"), ((4, 3, 2), 2, "2 real")])
def test_a_row_without_a_token_is_an_error_that_names_it(
    case: str, lengths: Sequence[int], prompt: int, seen: str
) -> None:
    """The stock pooler alone would return zeros or the state of a padding token."""
    pooling = make(case, include_prompt=False)
    row = 1 if prompt == 0 else 2
    for length in (prompt, torch.tensor([prompt])):
        with pytest.raises(
            ModelError,
            match=f"^row {row} of the batch has no token to pool: its {seen} tokens are those of the prompt;.*$",
        ):
            pool(pooling, batch(texts(lengths)), prompt_length=length)


@each
def test_a_mask_of_another_length_is_an_error(case: str) -> None:
    """The stock pooler alone would ignore the mask and pool the padding; without a mask every token is real."""
    features, pooling = batch(texts()), make(case)
    assert torch.equal(
        pool(pooling, {"token_embeddings": features["token_embeddings"][:1]}), pool(pooling, batch(texts()[:1]))
    )
    with pytest.raises(ModelError, match=re.escape("has shape (4, 6); expected (4, 7)")):
        pool(pooling, {**features, "attention_mask": features["attention_mask"][:, 1:]})


@each
@pytest.mark.parametrize("prompt", [None, 1])
def test_texts_end_to_end_as_flash_attention_has_them(case: str, prompt: int | None) -> None:
    """The batch is one row with the begin of each text."""
    states, pooling = texts((7, 2, 5)), make(case, include_prompt=False)
    flat = {"token_embeddings": torch.cat(states).unsqueeze(0), "cu_seq_lens_q": torch.tensor([0, 7, 9, 14])}
    more = {} if prompt is None else {"prompt_length": prompt}
    expected = pool(pooling, batch(states), **more)
    assert torch.allclose(pool(pooling, {**flat, **more}), expected, atol=1e-5)
    with pytest.raises(ModelError, match="row 1 of the batch has no token"):
        pool(pooling, {**flat, "prompt_length": 2})


@each_attention
def test_attention_does_not_depend_on_the_order_of_tokens(case: str) -> None:
    """The same states in reverse order give the same vector."""
    pooling, text = make(case), texts((9,))[0]
    assert torch.allclose(pool(pooling, batch([text])), pool(pooling, batch([text.flip(0)])), atol=1e-5)


@each_side
@each
def test_prompts_of_a_sentence_transformer(tiny_gemma: Path, case: str, side: str) -> None:
    """sentence-transformers counts <bos> as a token of the prompt."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

    backbone = Transformer(str(tiny_gemma), processor_kwargs={"padding_side": side})
    model = SentenceTransformer(modules=[backbone, make(case, width=32, include_prompt=False)], device="cpu")
    sentences, prompt = [document for _, document in PAIRS], "search: "
    encoded = model.encode(sentences, prompt=prompt, convert_to_tensor=True)
    length = len(model.tokenizer(prompt)["input_ids"]) - 1
    for sentence, embedding in zip(sentences, encoded, strict=True):
        with torch.inference_mode():
            states = backbone(dict(model.tokenizer(prompt + sentence, return_tensors="pt")))["token_embeddings"]
            assert torch.allclose(pool(model[1], {"token_embeddings": states[:, length:]})[0], embedding, atol=1e-5)
