"""Tests of gemma_st.build: backbone, pooler and head together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.template import read_template
from tests.gemma_st.conftest import LICENSE, PAIRS, make_deaf


@pytest.mark.parametrize(("pooler", "labels"), [("mean", 1), ("first", 3), ("last", 1)])
def test_the_stock_class_loads_each_pooler_without_trust(
    tiny_gemma: Path, stock: Callable[..., Any], tmp_path: Path, pooler: str, labels: int
) -> None:
    """The number of labels, the activation and the scores are the same."""
    torch.manual_seed(1)
    model = cross_encoder(tiny_gemma, pooler=pooler, labels=labels)
    assert model.num_labels == labels
    scores, num_labels, activation, _ = stock(save(model, tmp_path / "saved"), PAIRS)
    expected = model.predict(PAIRS)
    assert np.allclose(scores, expected, atol=1e-5)
    assert expected.shape == ((3,) if labels == 1 else (3, labels))
    assert (num_labels, activation) == (labels, "Identity()")  # a single label would get a sigmoid
    modules = json.loads((tmp_path / "saved" / "modules.json").read_text())
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)


def test_the_stock_class_and_verify_agree_with_a_linear_head(
    tiny_gemma: Path, stock: Callable[..., Any], tmp_path: Path
) -> None:
    """Its logit is computed in float32, and the model can be exported."""
    from gemma_st.hub.export import export
    from gemma_st.hub.verify import verify

    torch.manual_seed(1)
    model = cross_encoder(tiny_gemma, head="linear")
    scores, _, activation, _ = stock(save(model, tmp_path / "saved"), PAIRS)
    assert np.allclose(scores, model.predict(PAIRS), atol=1e-5)
    assert (len(model), model.keep_in_fp32_modules, activation) == (4, ["3.linear"], "Identity()")
    checks = verify(export(str(tmp_path / "saved"), tmp_path / "exported"))
    assert [check.name for check in checks if not check.ok] == ["card"]  # nobody said what it is trained on


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pooler", ["mean", "first", "last"])
def test_poolers_go_by_the_mask_and_not_by_the_padding_token(tiny_gemma: Path, pooler: str, side: str) -> None:
    """Field notes: elsewhere the last token is found by ``input_ids != pad``, wrong for a text that ends in one."""
    torch.manual_seed(1)
    model = cross_encoder(tiny_gemma, pooler=pooler, padding_side=side).eval()
    query, document = "what is <pad>", "it fills <pad> <pad>"
    options = {"padding": True, "split_special_tokens": False, "return_tensors": "pt"}  # <pad> as the padding token
    batch = dict(model.tokenizer([query, "longer " * 9], [document, "longer"], **options))
    assert (batch["input_ids"][0, batch["attention_mask"][0].bool()] == 0).sum() == 3
    with torch.inference_mode():
        states = model[0](batch)["token_embeddings"][0][batch["attention_mask"][0].bool()]
        pooled = {"mean": states.mean(0), "first": states[0], "last": states[-1]}[pooler]
        assert torch.allclose(model[1](batch)["sentence_embedding"][0], pooled, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_logit_is_fp32_in_a_bf16_model_so_that_scores_differ(tiny_gemma: Path, dtype: str) -> None:
    """Field notes: a bf16 head gives 380 distinct scores for 600 pairs; under autocast or in pure bf16."""
    model = cross_encoder(tiny_gemma, dtype=dtype)
    assert str(model[0].model.dtype) == f"torch.{dtype}"
    words = sorted(set(LICENSE.read_text().split()))[:300]
    pairs = [(word, f"the {word} of {other}") for word in words for other in ("work", "license")]
    assert len(pairs) == 600
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "float32"):
        scores = model.predict(pairs)
        model.set_keep_in_fp32_modules([])
        rounded = model.predict(pairs)
    assert scores.dtype == np.float32
    assert len(set(scores.tolist())) > 590 > len(set(rounded.tolist()))


def test_the_fp32_logit_is_saved(tiny_reranker: Path) -> None:
    """The stock class reads the setting."""
    from sentence_transformers import CrossEncoder

    assert CrossEncoder(str(tiny_reranker), device="cpu").keep_in_fp32_modules == ["4.linear"]


def test_a_text_too_long_loses_neither_template_nor_query(tiny_gemma: Path) -> None:
    """Field notes: truncation elsewhere cuts the query or the suffix."""
    model = cross_encoder(tiny_gemma, max_length=32)
    tokens = model.tokenizer.convert_ids_to_tokens(
        model.preprocess([("what is a patent", "license " * 100)])["input_ids"][0].tolist()
    )
    assert len(tokens) == 32
    before, between = (model.tokenizer.tokenize(words) for words in ("Query:", " Document:"))
    start = ["<bos>", *before, *model.tokenizer.tokenize("what is a patent"), *between]
    assert tokens[: len(start)] == start
    assert tokens[-1] == "<eos>"


def test_no_template_leaves_the_tokenizers_own(tiny_gemma: Path) -> None:
    """The template of the source stays."""
    tokenizer = cross_encoder(tiny_gemma, template=None).tokenizer
    assert read_template(tokenizer) == "<bos> <query> {query} <document> {document} <eos>"


def test_the_names_of_labels_are_kept(tiny_gemma: Path, stock: Callable[..., Any], tmp_path: Path) -> None:
    """The configuration keeps them for every later load."""
    model = cross_encoder(tiny_gemma, labels=["entailment", "neutral", "contradiction"])
    path = save(model, tmp_path / "saved")
    assert json.loads((path / "config.json").read_text())["id2label"]["1"] == "neutral"
    assert stock(path, PAIRS)[1] == 3
    assert CrossEncoder(str(path)).label_names == model.label_names == ["entailment", "neutral", "contradiction"]
    assert cross_encoder(tiny_gemma).label_names == ["LABEL_0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooler": "max"}, "pooler='max' is not known; use one of mean, first, last"),
        ({"pooler": {"k": 2}}, "pooler={'k': 2} has no name"),
        ({"pooler": {"name": "first", "width": 3}}, "its options are k, probes, heads, include_prompt"),
        ({"labels": 0}, "labels=0; expected at least 1, or different names"),
        ({"labels": ["yes", "yes"]}, "labels=['yes', 'yes']; expected at least 1, or different names"),
        ({"labels": []}, "labels=[]; expected at least 1, or different names"),
        ({"template": "{document} {query}"}, "expected {query} and {document} once each, in this order"),
        ({"query_length": 0}, "query_length=0 leaves no room for a token"),
        ({"document_length": -1}, "document_length=-1 leaves no room for a token"),
        ({"attention": "none"}, "attention='none' is not known"),
    ],
)
def test_a_wrong_argument_is_one_line(tiny_gemma: Path, options: dict[str, Any], message: str) -> None:
    """The error lists the allowed values."""
    with pytest.raises(ModelError) as error:
        cross_encoder(tiny_gemma, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_silent_causal_fallback_stops_the_build(tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformers that does not know ``is_causal`` would fall back."""
    make_deaf(monkeypatch)
    with pytest.raises(ModelError, match="is causal in layer 0"):
        cross_encoder(tiny_gemma, attn_implementation="eager")
