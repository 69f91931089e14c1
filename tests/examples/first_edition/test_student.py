"""Tests of first_edition.student: what a student inherits from its teacher."""

from pathlib import Path

import pytest
import torch
import transformers
from first_edition.student import SPECIAL, StudentConfig, student_model, student_tokenizer, teacher_ids
from sentence_transformers import SentenceTransformer

from gemma_st import ModelError, verify_bidirectional
from tests.gemma_st.conftest import LICENSE

Tokenizer = transformers.PreTrainedTokenizerFast
CONFIG = StudentConfig(vocabulary=300, layers=3, intermediate_size=32, max_length=64)


@pytest.fixture(scope="module")
def bert(teacher: Path) -> SentenceTransformer:
    """The teacher, loaded once."""
    return SentenceTransformer(str(teacher), device="cpu")


@pytest.fixture(scope="module")
def tokenizer(student: Path) -> Tokenizer:
    """The student's tokenizer, as a saved student is read."""
    return transformers.AutoTokenizer.from_pretrained(student)


@pytest.fixture(scope="module")
def gemma(student: Path) -> transformers.GemmaModel:
    """The student's Gemma, as a saved student is read."""
    return transformers.AutoModel.from_pretrained(student)


def words(tokenizer: Tokenizer) -> list[str]:
    """Return the words and letters of a vocabulary."""
    special = tokenizer.all_special_tokens
    return [piece for piece in tokenizer.get_vocab() if piece not in special and not piece.startswith("##")]


def test_pieces_are_dropped_and_no_word_becomes_unknown(bert: SentenceTransformer, tokenizer: Tokenizer) -> None:
    """A word whose piece is dropped is spelled with shorter ones."""
    assert len(tokenizer) == CONFIG.vocabulary < len(bert.tokenizer)
    plain = [word for word in words(bert.tokenizer) if word.isascii()]
    dropped = [word for word in plain if word not in tokenizer.get_vocab()]
    assert len(dropped) > 20
    text = " ".join([*plain, LICENSE.read_text(), "zyxwvut 0123456789 ~!@#$%^&*()_+{}|:<>?"])
    assert "[UNK]" not in bert.tokenizer.tokenize(text)
    assert "<unk>" not in tokenizer.tokenize(text)
    assert tokenizer.tokenize("☃") == ["<unk>"]  # what neither knows
    assert all("".join(p.removeprefix("##") for p in tokenizer.tokenize(word)) == word for word in dropped)


def test_other_scripts_are_kept_where_the_texts_have_them(bert: SentenceTransformer, tokenizer: Tokenizer) -> None:
    """ASCII is always spelled; a Greek or Chinese letter must earn its piece."""
    assert bert.tokenizer.tokenize("α 中") == ["α", "中"]
    assert student_tokenizer(bert.tokenizer, ["α 中"] * 9, CONFIG).tokenize("α 中") == ["α", "中"]
    assert tokenizer.tokenize("α 中") == ["<unk>", "<unk>"]


def test_text_of_kept_pieces_is_spelled_as_by_the_teacher(bert: SentenceTransformer, tokenizer: Tokenizer) -> None:
    """Lower-cased and split alike, too."""
    kept = " ".join(word.upper() for word in words(tokenizer))
    assert tokenizer.tokenize(kept) == bert.tokenizer.tokenize(kept)


def test_the_most_frequent_words_are_kept(bert: SentenceTransformer) -> None:
    """Counted on the texts given, not on the teacher's."""
    rare = [word for word in words(bert.tokenizer) if len(word) > 1][-30:]
    small = StudentConfig(vocabulary=230, max_length=64)
    kept = student_tokenizer(bert.tokenizer, [" ".join(rare)], small).get_vocab()
    assert len(kept) == 230
    assert set(rare) <= set(kept)
    other = student_tokenizer(bert.tokenizer, ["license work"], small).get_vocab()
    assert not set(rare) <= set(other)


def test_template_tokens_are_in_their_places(tokenizer: Tokenizer) -> None:
    """``query: … document: …`` between <bos> and <eos>, none of it doubled."""
    pair = tokenizer("the work", "a license")
    assert tokenizer.convert_ids_to_tokens(pair["input_ids"]) == (
        "<bos> query : the work document : a license <eos>".split()
    )
    single = tokenizer("the work")
    assert tokenizer.convert_ids_to_tokens(single["input_ids"]) == "<bos> the work <eos>".split()
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<eos>", "<bos>", "<unk>"]) == [0, 1, 2, 3]
    sides = pair.encodings[0].sequence_ids
    assert sides == [None, None, None, 0, 0, None, None, 1, 1, None]


def test_a_text_too_long_loses_no_template_token(tokenizer: Tokenizer) -> None:
    """The document gives way."""
    ids = tokenizer("the work", "license " * 200, truncation=True)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert len(tokens) == tokenizer.model_max_length == CONFIG.max_length
    assert tokens[:7] == "<bos> query : the work document :".split()
    assert tokens[-1] == "<eos>"


def test_padding_is_on_the_right(tokenizer: Tokenizer) -> None:
    """As saved."""
    ids = tokenizer(["work", "a longer work"], padding=True)["input_ids"]
    assert (ids[0][0], ids[0][-1]) == (2, 0)


def test_teacher_ids_lead_back_to_the_same_pieces(bert: SentenceTransformer, tokenizer: Tokenizer) -> None:
    """The special tokens by their roles."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    back = bert.tokenizer.convert_ids_to_tokens(teacher_ids(bert.tokenizer, tokenizer))
    assert [SPECIAL.get(piece, piece) for piece in back] == pieces
    assert len(set(back)) == len(tokenizer)


def test_the_first_states_are_the_teachers(
    bert: SentenceTransformer, tokenizer: Tokenizer, gemma: transformers.GemmaModel
) -> None:
    """What goes into the first layer, after Gemma's scaling, is BERT's table and type through its LayerNorm."""
    ids = teacher_ids(bert.tokenizer, tokenizer)
    table = bert[0].model.embeddings
    with torch.no_grad():
        expected = table.LayerNorm(table.word_embeddings.weight[ids] + table.token_type_embeddings.weight[0])
        states = gemma(torch.arange(60)[None], output_hidden_states=True).hidden_states[0][0]
    assert torch.allclose(states, expected[:60], atol=1e-5)


def test_projections_are_those_of_the_teachers_layers_in_order(
    bert: SentenceTransformer, gemma: transformers.GemmaModel
) -> None:
    """Three layers of two: the first, one in between, the last."""
    teacher = bert[0].model.encoder.layer
    for ours, theirs in ((0, 0), (2, 1)):
        attention, source = gemma.layers[ours].self_attn, teacher[theirs].attention
        assert attention.q_proj.weight.equal(source.self.query.weight)
        assert attention.k_proj.weight.equal(source.self.key.weight)
        assert attention.v_proj.weight.equal(source.self.value.weight)
        assert attention.o_proj.weight.equal(source.output.dense.weight)
    middle = gemma.layers[1].self_attn.q_proj.weight
    assert any(middle.equal(layer.attention.self.query.weight) for layer in teacher)


def test_is_a_plain_bidirectional_gemma(gemma: transformers.GemmaModel) -> None:
    """On disk, and read by transformers alone."""
    assert type(gemma).__name__ == "GemmaModel"
    assert gemma.config.is_causal is False
    verify_bidirectional(gemma)


def test_the_seed_decides_what_starts_fresh(
    bert: SentenceTransformer, tokenizer: Tokenizer, gemma: transformers.GemmaModel
) -> None:
    """And the teacher all else."""
    ids = teacher_ids(bert.tokenizer, tokenizer)
    torch.manual_seed(99)
    again = student_model(bert[0].model, ids, CONFIG)
    assert all(again.state_dict()[name].equal(tensor) for name, tensor in gemma.state_dict().items())
    other = student_model(bert[0].model, ids, StudentConfig(300, 3, 32, 64, seed=1))
    assert not other.layers[0].mlp.up_proj.weight.equal(gemma.layers[0].mlp.up_proj.weight)
    assert other.layers[0].self_attn.q_proj.weight.equal(gemma.layers[0].self_attn.q_proj.weight)


@pytest.mark.parametrize("size", [9999, 100])
def test_more_pieces_than_there_are_and_fewer_than_spelling_needs_are_one_line(
    bert: SentenceTransformer, size: int
) -> None:
    """The number is the one that was asked for."""
    with pytest.raises(
        ModelError, match=f"^vocabulary={size} cannot be had of the teacher's 349 pieces; .* least the 1"
    ):
        student_tokenizer(bert.tokenizer, ["a"], StudentConfig(vocabulary=size))
