"""Tests of gemma_st.modeling.truncation: the texts that are kept, those that are truncated, and the counts."""

import logging
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers.base.modules import Transformer
from transformers import PreTrainedTokenizerBase

from gemma_st import CrossEncoder
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.truncation import Truncation, Truncator
from tests.gemma_st.modeling.conftest import LONG, size


def test_what_fits_is_left_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    """The same objects are returned."""
    inputs = [("what is a license", "a permission"), "a text"]
    cut, counts = Truncator(tokenizer, size(tokenizer, *inputs[0])).cut(inputs)
    assert all(one is other for one, other in zip(cut, inputs, strict=True))
    assert counts == Truncation(inputs=2)


def test_the_document_gives_way_even_to_a_longer_query(tokenizer: PreTrainedTokenizerBase) -> None:
    """Field notes: stock cuts the longest first, here the query."""
    query, document = "license " * 20, "you may copy the work and give it away"
    room = size(tokenizer, query, "you may copy")
    [(kept, left)], counts = Truncator(tokenizer, room).cut([(query, document)])
    assert kept == query
    assert document.startswith(left.strip())
    assert 0 < len(left) < len(document)
    assert size(tokenizer, kept, left) <= room
    stock = tokenizer(query, document, truncation="longest_first", max_length=room)
    assert stock.sequence_ids().count(0) < len(tokenizer.tokenize(query))
    assert counts == Truncation(inputs=1, documents=1)


def test_a_query_that_leaves_nothing_for_the_document_is_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    """Field notes: stock leaves an empty document and reports nothing."""
    cut, counts = Truncator(tokenizer, 40).cut([(LONG, "a permission"), ("short", "a permission")])
    assert cut[0][1] == ""
    assert size(tokenizer, *cut[0]) <= 40
    assert counts == Truncation(inputs=2, queries=1, documents=1, lost=1)
    assert str(counts) == (
        "truncated 1 queries and 1 documents (1 to nothing: raise max_length or set query_length) of 2 inputs"
    )


@pytest.mark.parametrize(("query_length", "document_length"), [(5, None), (None, 7), (5, 7), (1, 1)])
def test_budgets_hold(
    tokenizer: PreTrainedTokenizerBase, query_length: int | None, document_length: int | None
) -> None:
    """Each budget limits its field, in tokens."""
    truncator = Truncator(tokenizer, 60, query_length=query_length, document_length=document_length)
    [(query, document)], counts = truncator.cut([("license " * 9, LONG)])
    assert len(tokenizer.tokenize(query)) == (query_length or len(tokenizer.tokenize("license " * 9)))
    if document_length:
        assert len(tokenizer.tokenize(document)) == document_length
    assert size(tokenizer, query, document) <= 60
    assert counts == Truncation(inputs=1, queries=int(query_length is not None), documents=1)


def test_single_texts_have_the_documents_budget(tokenizer: PreTrainedTokenizerBase) -> None:
    """They are counted as documents."""
    (text,), counts = Truncator(tokenizer, 40, document_length=6).cut([LONG])
    assert len(tokenizer.tokenize(text)) == 6
    assert counts == Truncation(inputs=1, documents=1)


@pytest.mark.parametrize("text", ["中文" * 40, "😀😃" * 40, "e\u0301" * 60, "naïve " * 40, "a\nb\t" * 40])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_any_script_is_cut_to_the_budget(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> None:
    """A character may have several tokens and is then dropped as a whole."""
    (cut,), _ = Truncator(tokenizer, 128, document_length=limit).cut([text])
    assert text.startswith(cut)
    assert len(tokenizer.tokenize(cut)) <= limit


def test_a_prompt_takes_its_room(tokenizer: PreTrainedTokenizerBase) -> None:
    """The prompt shortens the document."""
    [(query, document)], _ = Truncator(tokenizer, 40).cut([("what", LONG)], prompt="find the text: ")
    assert size(tokenizer, f"find the text: {query}", document) <= 40 < size(tokenizer, f"find the text: {query}", LONG)


def test_the_model_counts_and_warns(tiny_gemma: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every truncation is counted; truncated queries and lost documents are also logged."""
    model = cross_encoder(tiny_gemma, max_length=40)
    with caplog.at_level(logging.WARNING, "gemma_st"):
        model.predict([("what", LONG), ("what", "short")])
        assert model.truncation == Truncation(inputs=2, documents=1)
        assert not caplog.records
        model.predict([(LONG, "short")])
    assert model.truncation == Truncation(inputs=1, queries=1, documents=1, lost=1)
    assert "1 to nothing: raise max_length or set query_length" in caplog.text


def test_budgets_are_saved(tiny_gemma: Path, tmp_path: Path) -> None:
    """They are saved with the model and affect its input."""
    model = cross_encoder(tiny_gemma, query_length=3, document_length=4)
    again = CrossEncoder(str(save(model, tmp_path / "saved")))
    assert (again[0].query_length, again[0].document_length) == (3, 4)
    pairs = [("license patent work copy", LONG), ("license patent work give", LONG + "more")]
    assert np.allclose(again.predict(pairs), model.predict(pairs), atol=1e-6)
    assert again.truncation == Truncation(inputs=2, queries=2, documents=2)


def test_training_cuts_by_the_trainers_length(tiny_gemma: Path) -> None:
    """The trainer passes its ``max_length`` to ``preprocess``."""
    model = cross_encoder(tiny_gemma)
    assert model.preprocess([("what", LONG)], max_length=30)["input_ids"].shape == (1, 30)


def test_texts_are_tokenized_once(tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the stock class has truncated a query: its own tokens tell the counts, and they are those of our class."""
    model = cross_encoder(tiny_gemma, max_length=40)
    pairs = [("what", LONG), ("what is a license", "short"), ("a", LONG + "more")]
    expected = Transformer.preprocess(model[0], pairs)["input_ids"]
    monkeypatch.setattr(Truncator, "offsets", lambda *_: pytest.fail("tokenized again"))
    model.truncation = Truncation()
    assert model.preprocess(pairs)["input_ids"].equal(expected)
    assert model.truncation == Truncation(inputs=3, documents=2)
    for text, cut in [({"padding": "max_length"}, 2), ({"pad_to_multiple_of": 8}, 2), ({"truncation": False}, 0)]:
        model.truncation = Truncation()
        features = model.preprocess(pairs, processing_kwargs={"text": text})
        assert features["input_ids"].equal(Transformer.preprocess(model[0], pairs, None, {"text": text})["input_ids"])
        assert model.truncation.documents == cut


@pytest.mark.parametrize(
    ("truncation", "counts"),
    [
        (True, Truncation(inputs=4, queries=2, documents=2)),
        ("longest_first", Truncation(inputs=4, queries=2, documents=2)),
        (False, Truncation(inputs=4)),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_truncation_that_the_call_names_is_that_of_the_stock_class(
    tiny_gemma: Path, truncation: bool | str, counts: Truncation, side: str
) -> None:
    """The longer text is truncated first, which is counted too; the model may name it as well."""
    model = cross_encoder(tiny_gemma)
    model.tokenizer.truncation_side = side
    named = {"text": {"max_length": 40, "truncation": truncation}}
    pairs = [("what", LONG), (LONG, "a license"), (LONG, LONG), ("what", "a license")]
    features = Transformer.preprocess(model[0], pairs, None, named)
    assert model.preprocess(pairs, processing_kwargs=named)["input_ids"].equal(features["input_ids"])
    assert model.truncation == counts
    model[0].processing_kwargs, model.truncation = named, Truncation()
    assert model.preprocess(pairs)["input_ids"].equal(features["input_ids"])
    assert model.truncation == counts


def test_a_named_truncation_that_leaves_nothing_is_counted(tiny_gemma: Path) -> None:
    """The template takes all the room; an empty text loses nothing."""
    model = cross_encoder(tiny_gemma)
    room = model.tokenizer.num_special_tokens_to_add(pair=True)
    model.preprocess(
        [("what", "a license"), ("", "")], processing_kwargs={"text": {"max_length": room, "truncation": True}}
    )
    assert model.truncation == Truncation(inputs=2, queries=1, documents=1, lost=1)


@pytest.mark.parametrize("budgets", [{}, {"query_length": 9}, {"document_length": 20}, {"query_length": 5}])
@pytest.mark.parametrize("prompt", [None, "find: "])
def test_both_ways_to_count_agree(tiny_gemma: Path, budgets: dict[str, int], prompt: str | None) -> None:
    """The tokens of the stock class tell the counts, or that they do not."""
    model = cross_encoder(tiny_gemma)
    random = np.random.default_rng(0)
    told = 0
    for _ in range(60):
        words = [" ".join(LONG.split()[: int(size)]) for size in random.integers(1, 14, 2)]
        inputs: list[tuple[str, str] | str] = [(words[0], words[1] * int(random.integers(1, 3))), (words[1], words[0])]
        inputs = inputs if random.random() < 0.7 else list(words)
        longest = int(random.integers(24, 48))
        truncator = Truncator(model.tokenizer, longest, **budgets)
        counts = truncator.counts(Transformer.preprocess(model[0], inputs, prompt, max_length=longest), prompt)
        told += counts is not None
        assert counts in (None, truncator.cut(inputs, prompt)[1])
    assert told > 10 or (budgets and prompt)  # a prompt may share a token with its query
