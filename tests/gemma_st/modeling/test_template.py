"""Tests of gemma_st.modeling.template: the tokens of a pair, in memory and after every kind of load."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, GemmaTokenizer, PreTrainedTokenizerBase

from gemma_st import ModelError
from gemma_st.modeling.template import PAIR, read_template, set_template
from tests.gemma_st.conftest import LICENSE


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer of Gemma's own class, which adds ``<bos>``."""
    text = [LICENSE.read_text(), PAIR]
    return GemmaTokenizer(add_bos_token=True, add_eos_token=False).train_new_from_iterator(text, 400)


def spelled(tokenizer: PreTrainedTokenizerBase, *texts: str) -> str:
    """Return the tokens of a text or pair, joined."""
    return "".join(tokenizer.convert_ids_to_tokens(tokenizer(*texts).input_ids))


def test_without_one_a_pair_has_neither_fields_nor_an_end(tokenizer: PreTrainedTokenizerBase) -> None:
    """Field notes: pairs tokenise as ``<bos>A<bos>B``, no eos."""
    assert spelled(tokenizer, "a b", "c") == "<bos>a▁b<bos>c"


def test_puts_a_pair_and_a_text_into_it(tokenizer: PreTrainedTokenizerBase) -> None:
    """There is one begin token and one end token."""
    set_template(tokenizer)
    assert spelled(tokenizer, "a b", "c") == "<bos>Query:a▁b▁Document:c<eos>"
    assert spelled(tokenizer, "a b") == "<bos>a▁b<eos>"
    set_template(tokenizer, None)
    assert spelled(tokenizer, "a b", "c") == "<bos>a▁bc<eos>"


@pytest.mark.parametrize("pair", [PAIR, "{query} is answered by {document} or not"])
def test_can_be_read_again(tokenizer: PreTrainedTokenizerBase, pair: str) -> None:
    """The begin and end tokens are included."""
    set_template(tokenizer, pair)
    assert read_template(tokenizer) == f"<bos> {pair} <eos>"


def test_survives_loading_and_saving_again(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """A tokenizer saved with the key ``add_bos_token`` would get a default template when it is loaded."""
    set_template(tokenizer)
    for name in ("one", "two"):
        tokenizer.save_pretrained(tmp_path / name)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / name, padding_side="right")
        assert isinstance(tokenizer, GemmaTokenizer)
        assert spelled(tokenizer, "a b", "c") == "<bos>Query:a▁b▁Document:c<eos>"
    lost = AutoTokenizer.from_pretrained(tmp_path / "two", add_bos_token=True)
    assert read_template(lost) != f"<bos> {PAIR} <eos>"  # what would happen without care


def test_its_words_are_counted_and_never_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    """They are special tokens to the tokenizer."""
    set_template(tokenizer)
    words = sum(len(tokenizer.tokenize(part)) for part in ("Query:", " Document:"))
    assert tokenizer.num_special_tokens_to_add(pair=True) == 2 + words
    ids = tokenizer("the", "License " * 50, truncation="only_second", max_length=words + 6).input_ids
    assert len(ids) == words + 6
    assert "▁Document:" in "".join(tokenizer.convert_ids_to_tokens(ids))
    assert ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("pair", ["", "{query}", "{document}{query}", "{query}{query}{document}", "Query: Document:"])
def test_a_template_without_its_fields_is_one_line(tokenizer: PreTrainedTokenizerBase, pair: str) -> None:
    """The query comes before the document."""
    with pytest.raises(ModelError, match="expected {query} and {document} once each, in this order"):
        set_template(tokenizer, pair)


def test_words_that_the_tokenizer_does_not_know_are_one_line() -> None:
    """The model could not tell such words apart."""
    bare = GemmaTokenizer().train_new_from_iterator(["abc"], 300)
    with pytest.raises(ModelError, match="template words 'Query:' contain characters unknown to the tokenizer"):
        set_template(bare)


def test_an_end_that_gemma_would_add_costs_no_beginning(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Field notes: ``add_eos_token=True`` alone drops ``<bos>``; the template has both."""
    tokenizer.init_kwargs.pop("add_bos_token")
    tokenizer.save_pretrained(tmp_path)
    told = AutoTokenizer.from_pretrained(tmp_path, add_eos_token=True)
    assert spelled(told, "a") == "a<eos>"
    set_template(told)
    assert spelled(told, "a") == "<bos>a<eos>"
