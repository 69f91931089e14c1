"""Tests of gemma_st.modeling.vocabulary: fewer tokens encode covered texts as all tokens do, and can be undone."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.template import read_template
from gemma_st.modeling.vocabulary import Vocabulary, count_tokens, restore, restrict, with_whole
from tests.gemma_st.conftest import LICENSE, PAIRS, gemma_tokenizer

TEXT = LICENSE.read_text()
STRANGE = "\n\n\tnaïve 中文 — <eos> 'tis  №7"


@pytest.fixture(scope="module", params=["bytes", "gemma"])
def tokenizer(request: pytest.FixtureRequest, tiny_gemma: Path) -> PreTrainedTokenizerBase:
    """A byte-level tokenizer with a template of its own, and one of Gemma's class."""
    return AutoTokenizer.from_pretrained(tiny_gemma) if request.param == "bytes" else gemma_tokenizer()


def vocabulary(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """Give each token a row with its id."""
    rows = torch.arange(len(tokenizer), dtype=torch.float32)[:, None]
    return Vocabulary(tokenizer, torch.nn.Parameter(rows))


def excerpts(seed: int, count: int) -> list[str]:
    """Cut texts at random places, also within words, with characters that the tokenizer has never seen."""
    random = Random(seed)  # noqa: S311
    starts = [random.randrange(len(TEXT)) for _ in range(count)]
    texts = [TEXT[start : start + random.randrange(1, 200)] for start in starts]
    return [*texts, *(text.lower() for text in texts), STRANGE, ""]


@pytest.mark.parametrize("seed", range(8))
def test_texts_whose_tokens_are_kept_are_tokenized_as_before(tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Alone, as pairs in the template, and cut at the end of a token, as truncation does."""
    whole, texts = vocabulary(tokenizer), excerpts(seed, 8)
    part = whole.only(count_tokens(tokenizer, texts))
    assert len(part.tokenizer) < len(tokenizer)
    for first, second in zip(texts, texts[1:], strict=False):
        for inputs in ((first,), (first, second)):
            before, after = tokenizer(*inputs).input_ids, part.tokenizer(*inputs).input_ids
            assert part.table[after, 0].tolist() == before
    plain = {"add_special_tokens": False, "return_offsets_mapping": True}
    for text in texts:
        for _, end in tokenizer(text, **plain).offset_mapping:
            cut = part.tokenizer(text[:end], **plain).input_ids
            assert part.table[cut, 0].tolist() == tokenizer(text[:end], **plain).input_ids


def test_any_other_text_is_encoded_without_unknown_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    """It consists of shorter tokens, and can be decoded."""
    part = vocabulary(tokenizer).only(count_tokens(tokenizer, ["license"])).tokenizer
    for text in excerpts(0, 20):
        ids = part(text, add_special_tokens=False).input_ids
        assert part.unk_token_id not in ids
        spelled = {"clean_up_tokenization_spaces": False}
        assert part.decode(ids, **spelled) == tokenizer.decode(
            tokenizer(text, add_special_tokens=False).input_ids, **spelled
        )


def test_template_roles_and_padding_stay(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Also after saving and loading."""
    part = vocabulary(tokenizer).only([]).tokenizer
    part.save_pretrained(tmp_path)
    for made in (part, AutoTokenizer.from_pretrained(tmp_path)):
        assert type(made) is type(tokenizer)
        assert made.special_tokens_map == tokenizer.special_tokens_map
        assert made.padding_side == tokenizer.padding_side
        assert made.model_max_length == tokenizer.model_max_length
        assert read_template(made) == read_template(tokenizer)


def test_scores_stay_and_unseen_texts_score_as_before_once_the_vocabulary_is_back(
    decoder: Callable[..., Path], tmp_path: Path
) -> None:
    """The table is that of the base, except for the rows that were trained."""
    model = cross_encoder(decoder("GemmaModel"), max_length=64)
    before, unseen = model.predict(PAIRS), model.predict([("zebra", "quick brown fox")])
    table, size = model.transformers_model.embed_tokens.weight.detach().clone(), len(model.tokenizer)
    config = model.transformers_model.config.to_dict()
    whole = restrict(model, count_tokens(model.tokenizer, [text for pair in PAIRS for text in pair]))
    assert abs(model.predict(PAIRS) - before).max() < 1e-6
    with with_whole(model, whole):
        assert abs(model.predict([("zebra", "quick brown fox")]) - unseen).max() < 1e-6
    small = CrossEncoder(str(save(model, tmp_path / "small")))  # config.json and tokenizer say the same
    assert small.transformers_model.config.vocab_size == len(small.tokenizer) < size
    assert abs(small.predict(PAIRS) - before).max() < 1e-6
    restore(small, whole)
    assert abs(small.predict([("zebra", "quick brown fox")]) - unseen).max() < 1e-6
    with torch.no_grad():
        model.transformers_model.embed_tokens.weight += 1  # training
    kept = model.tokenizer.convert_ids_to_tokens(range(len(model.tokenizer)))
    restore(model, whole)
    assert model.transformers_model.config.to_dict() == config
    expected = torch.zeros(size)
    expected[model.tokenizer.convert_tokens_to_ids(kept)] = 1
    assert torch.allclose((model.transformers_model.embed_tokens.weight - table).mean(1), expected, atol=1e-5)


def test_other_kinds_of_tokenizers_are_refused() -> None:
    """Their tokens are not made by merges."""
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, unk_token="a")))  # noqa: S106
    with pytest.raises(ModelError, match="of type WordLevel; expected byte-pair encoding"):
        vocabulary(words).only([0])


def test_a_vocabulary_of_another_base_is_not_put_back(decoder: Callable[..., Path]) -> None:
    """It lacks tokens of the model."""
    model = cross_encoder(decoder("GemmaModel"))
    with pytest.raises(ModelError, match="is not in the whole vocabulary; expected that of the model's base"):
        restore(model, vocabulary(gemma_tokenizer()))
