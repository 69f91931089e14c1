"""Tests of gemma_st.modeling.truncation: what is kept, what is cut, and what is counted."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.template import set_template
from gemma_st.modeling.truncation import Truncation, Truncator

LONG = "license " * 60


@pytest.fixture(scope="module")
def tokenizer(tiny_gemma: Path) -> PreTrainedTokenizerBase:
    """The small one, with the default template."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gemma)
    set_template(tokenizer)
    return tokenizer


def size(tokenizer: PreTrainedTokenizerBase, *texts: str) -> int:
    """Return the length in tokens, template included."""
    return len(tokenizer(*texts).input_ids)


def test_what_fits_is_left_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    """To the object."""
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
    """Field notes: elsewhere it squeezes the document out silently."""
    cut, counts = Truncator(tokenizer, 40).cut([(LONG, "a permission"), ("short", "a permission")])
    assert cut[0][1] == ""
    assert size(tokenizer, *cut[0]) <= 40
    assert counts == Truncation(inputs=2, queries=1, documents=1, lost=1)
    assert str(counts) == (
        "of 2 inputs, 1 queries and 1 documents (1 to nothing: raise max_length or set query_length) were cut"
    )


@pytest.mark.parametrize(("query_length", "document_length"), [(5, None), (None, 7), (5, 7), (1, 1)])
def test_budgets_hold(
    tokenizer: PreTrainedTokenizerBase, query_length: int | None, document_length: int | None
) -> None:
    """Each for its field, in tokens."""
    truncator = Truncator(tokenizer, 60, query_length=query_length, document_length=document_length)
    [(query, document)], counts = truncator.cut([("license " * 9, LONG)])
    assert len(tokenizer.tokenize(query)) == (query_length or len(tokenizer.tokenize("license " * 9)))
    if document_length:
        assert len(tokenizer.tokenize(document)) == document_length
    assert size(tokenizer, query, document) <= 60
    assert counts == Truncation(inputs=1, queries=int(query_length is not None), documents=1)


def test_single_texts_have_the_documents_budget(tokenizer: PreTrainedTokenizerBase) -> None:
    """And are counted as documents."""
    (text,), counts = Truncator(tokenizer, 40, document_length=6).cut([LONG])
    assert len(tokenizer.tokenize(text)) == 6
    assert counts == Truncation(inputs=1, documents=1)


@pytest.mark.parametrize("text", ["中文" * 40, "😀😃" * 40, "e\u0301" * 60, "naïve " * 40, "a\nb\t" * 40])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_any_script_is_cut_to_the_budget(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> None:
    """Also where a character is several tokens, and may have to go as a whole."""
    (cut,), _ = Truncator(tokenizer, 128, document_length=limit).cut([text])
    assert text.startswith(cut)
    assert len(tokenizer.tokenize(cut)) <= limit


def test_a_prompt_takes_its_room(tokenizer: PreTrainedTokenizerBase) -> None:
    """From the document."""
    [(query, document)], _ = Truncator(tokenizer, 40).cut([("what", LONG)], prompt="find the text: ")
    assert size(tokenizer, f"find the text: {query}", document) <= 40 < size(tokenizer, f"find the text: {query}", LONG)


def test_the_model_counts_and_warns(tiny_gemma: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of what was cut: always; of queries cut or documents lost: in the log."""
    model = cross_encoder(tiny_gemma, max_length=40)
    with caplog.at_level(logging.WARNING, "gemma_st"):
        model.predict([("what", LONG), ("what", "short")])
        assert model.truncation == Truncation(inputs=2, documents=1)
        assert not caplog.records
        model.predict([(LONG, "short")])
    assert model.truncation == Truncation(inputs=1, queries=1, documents=1, lost=1)
    assert "1 to nothing: raise max_length or set query_length" in caplog.text


def test_budgets_are_saved(tiny_gemma: Path, tmp_path: Path) -> None:
    """With the model, and change what it reads."""
    model = cross_encoder(tiny_gemma, query_length=3, document_length=4)
    again = CrossEncoder(str(save(model, tmp_path / "saved")))
    assert (again[0].query_length, again[0].document_length) == (3, 4)
    pairs = [("license patent work copy", LONG), ("license patent work give", LONG + "more")]
    assert np.allclose(again.predict(pairs), model.predict(pairs), atol=1e-6)
    assert again.truncation == Truncation(inputs=2, queries=2, documents=2)


def test_training_cuts_by_the_trainers_length(tiny_gemma: Path) -> None:
    """``max_length`` of the trainer's arguments arrives with the batch."""
    model = cross_encoder(tiny_gemma)
    assert model.preprocess([("what", LONG)], max_length=30)["input_ids"].shape == (1, 30)


class TestWindows:
    """Long documents, read whole."""

    def test_every_word_is_in_a_window_that_fits(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Each begins with a word, at most the stride after the one before; the last one ends with the document."""
        document = " ".join(f"copy{number}" for number in range(100))
        truncator = Truncator(tokenizer, 60)
        parts, sizes, counts = truncator.windows([("what", document), ("what", "a license")], 16)
        assert counts == Truncation(inputs=2)
        assert sizes == [len(parts) - 1, 1]
        assert parts[-1] == ("what", "a license")
        texts = [text.strip() for _, text in truncator.cut(parts[:-1])[0]]
        assert all(size(tokenizer, "what", text) <= 60 for text in texts)
        assert document.startswith(texts[0])
        assert document.endswith(texts[-1])
        assert {word for text in texts for word in text.split()} >= set(document.split())
        assert all(text.startswith("copy") for text in texts)
        begins = [document.index(text) for text in texts]
        assert all(
            begin < after < begin + len(text) for begin, text, after in zip(begins, texts, begins[1:], strict=False)
        )
        assert len(texts) >= (len(tokenizer.tokenize(document)) - 60) / 16

    @pytest.mark.parametrize(
        "text", ["".join(map(chr, range(0x4E00, 0x4E40))), "".join(map(chr, range(0x1F600, 0x1F640)))]
    )
    def test_a_stride_beyond_the_window_skips_nothing(self, tokenizer: PreTrainedTokenizerBase, text: str) -> None:
        """Nor does a text without words."""
        parts, _, _ = Truncator(tokenizer, 60, document_length=8).windows([("what", text)], 1000)
        assert len(parts) > 5
        assert {character for _, part in parts for character in part} >= set(text)

    def test_what_a_query_leaves_no_room_for_is_lost(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """And counted, once, with the query."""
        parts, sizes, counts = Truncator(tokenizer, 40).windows([(LONG, "a permission")], 16)
        assert (parts[0][1], sizes) == ("", [1])
        assert counts == Truncation(inputs=1, queries=1, documents=1, lost=1)

    def test_the_best_window_and_the_first_count(self, tiny_gemma: Path, tmp_path: Path) -> None:
        """Two to one, whatever the order, the batch and the neighbours; and so it is when it is saved and loaded."""
        torch.manual_seed(1)  # of a random head's windows the first might be the best
        model = cross_encoder(tiny_gemma, max_length=40)
        document = "you may copy the work " * 9 + "without a patent or a warranty, 1 2 3. " * 9
        with torch.no_grad():
            model[-1].linear.weight.mul_(1e3)  # a random head hardly tells texts apart
        plain = model.predict([("what", document), ("what", "a license")])
        model.stride = 10
        windows, _, _ = Truncator(model.tokenizer, 40).windows([("what", document)], 10)
        scores = model.predict(windows)
        wanted = [(scores[0] + 2 * scores.max()) / 3, plain[1]]
        assert len(windows) > 5
        assert scores.max() > scores[0] + 1e-6
        pairs = [("what", document), ("what", "a license")]
        again = CrossEncoder(str(save(model, tmp_path / "saved")))
        for found in (model.predict(pairs), model.predict(pairs[::-1], batch_size=1)[::-1], again.predict(pairs)):
            assert np.allclose(found, wanted, atol=1e-6)
        assert model.predict(pairs[0]) == pytest.approx(wanted[0], abs=1e-6)
        assert model.rank("what", [document, "a license"])[0]["score"] == pytest.approx(max(wanted), abs=1e-6)
        assert model.predict(pairs, convert_to_tensor=True).shape == (2,)
        assert model.predict([]).shape == (0,)
        assert again.truncation == Truncation(inputs=2)

    def test_the_packaged_model_finds_an_answer_at_the_end(self) -> None:
        """Of 300 words, where the stock class, which cuts them, sees no difference."""
        model = CrossEncoder("gemma-encoder-msmarco")
        filler = " ".join(["The treaty was signed by four kings, who met in winter."] * 27)
        pairs = [("do goldfish grow", f"{filler} {end}") for end in ("Goldfish grow as long as they live.", "It held.")]
        found = model.predict(pairs)
        assert found[0] > found[1] + 0.05
        assert model.truncation == Truncation(inputs=2)
        model.stride = None
        cut = model.predict(pairs)
        assert cut[0] == pytest.approx(cut[1], abs=1e-5)

    def test_single_texts_are_cut(self, tiny_gemma: Path) -> None:
        """A stride is for documents."""
        model = cross_encoder(tiny_gemma, max_length=40, stride=10)
        assert model.predict_texts([LONG]).shape == (1,)
        assert model.truncation == Truncation(inputs=1, documents=1)

    @pytest.mark.parametrize(("labels", "stride"), [(2, 10), (1, 0)])
    def test_a_stride_that_means_nothing_is_one_line(self, tiny_gemma: Path, labels: int, stride: int) -> None:
        """Several labels have no best window."""
        model = cross_encoder(tiny_gemma, labels=labels)
        model.stride = stride
        with pytest.raises(
            ModelError, match=f"stride={stride} with {labels} label.s.; expected at least 1, with one label"
        ):
            model.predict([("what", "a license")])
