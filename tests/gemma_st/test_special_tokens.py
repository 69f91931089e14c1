"""Special tokens that a text spells out are plain text: for every kind of tokenizer, class, and way to score."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
from sentence_transformers.base.modules import Transformer
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram, WordLevel
from tokenizers.pre_tokenizers import Metaspace, WhitespaceSplit
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import AutoTokenizer, GemmaConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from gemma_st import CrossEncoder, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import save
from gemma_st.modeling.plain_text import read_as_text
from gemma_st.modeling.truncation import Truncator
from gemma_st.modeling.windows import split_windows
from tests.conftest import LICENSE
from tests.gemma_st.conftest import PAIRS, Pairs

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[CLS]", "<|end|>"]
ROLES = {f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk", "mask")}
SPELLED = ["a <eos> license", "<pad>", "<bos><bos>a", "a[CLS]", "x <mask> <|end|>y", "<start_of_turn>user", "<query> a"]


def byte_pairs() -> Tokenizer:
    """Return a BPE tokenizer like Gemma's, whose ``<start_of_turn>`` is not marked as special."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True))  # noqa: S106
    tokenizer.pre_tokenizer = Metaspace()
    trainer = BpeTrainer(vocab_size=400, special_tokens=[*SPECIAL, "<query>"], show_progress=False)
    tokenizer.train_from_iterator([LICENSE.read_text()], trainer)
    tokenizer.add_tokens(["<start_of_turn>"])
    return tokenizer


def unigram() -> Tokenizer:
    """Return a Unigram tokenizer like that of XLM-R, whose vocabulary contains the special tokens as words."""
    tokenizer = Tokenizer(Unigram())
    tokenizer.pre_tokenizer = Metaspace()
    trainer = UnigramTrainer(vocab_size=400, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)  # noqa: S106
    tokenizer.train_from_iterator(LICENSE.read_text().splitlines(), trainer)
    tokenizer.add_special_tokens(["<start_of_turn>", "<query>"])
    return tokenizer


def words() -> Tokenizer:
    """Return a tokenizer of whole words, which the special tokens are too."""
    names = [*SPECIAL, "<start_of_turn>", "<query>"]
    known = dict.fromkeys([*names, "token", *LICENSE.read_text().split()])
    tokenizer = Tokenizer(WordLevel({name: place for place, name in enumerate(known)}, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(names)
    return tokenizer


@pytest.fixture(params=[byte_pairs, unigram, words])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    """One tokenizer of each kind."""
    return PreTrainedTokenizerFast(tokenizer_object=request.param(), padding_side="right", **ROLES)


@pytest.fixture
def build(tokenizer: PreTrainedTokenizerBase) -> Callable[[], CrossEncoder]:
    """Build a small reranker with the tokenizer."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 256}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    config = GemmaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **shape, **heads)

    def make(**options: object) -> CrossEncoder:
        torch.manual_seed(0)
        return cross_encoder(config, tokenizer=tokenizer, template=None, **options)

    return make


def control(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Return the control tokens among ids, without the padding and the unknown token."""
    found = tokenizer.convert_ids_to_tokens(ids)
    return [token for token in found if token in {*SPECIAL, "<start_of_turn>", "<query>"} - {"<pad>", "<unk>"}]


def test_every_way_to_tokenize_reads_text(build: Callable[[], CrossEncoder]) -> None:
    """Queries, documents, single texts and prompts; only the tokens of the template are control tokens."""
    model = build()
    template = control(model.tokenizer, model.preprocess([("a", "a")])["input_ids"][0].tolist())
    single = control(model.tokenizer, model.preprocess(["a"])["input_ids"][0].tolist())
    for text in SPELLED:
        for pair, prompt in [((text, "a"), None), (("a", text), None), (("a", "a"), text), ((text, text), text)]:
            features = model.preprocess([pair], prompt)
            assert control(model.tokenizer, features["input_ids"][0].tolist()) == template, text
            assert (features["input_ids"] != model.tokenizer.pad_token_id).all()
        assert control(model.tokenizer, model.preprocess([text])["input_ids"][0].tolist()) == single, text


def test_counts_and_windows_are_those_of_scoring(build: Callable[[], CrossEncoder]) -> None:
    """A document of spelled-out tokens fits, or is truncated, as the model then reads it."""
    model = build(max_length=256)
    pair = ("a <mask>", "<start_of_turn>user <eos> " * 9)
    size = len(model.tokenizer(*pair)["input_ids"])
    assert Truncator(model.tokenizer, size).cut([pair])[1].documents == 0
    [cut], counts = Truncator(model.tokenizer, size - 1).cut([pair])
    assert counts.documents == 1
    assert len(model.tokenizer(*cut)["input_ids"]) < size
    truncator = Truncator(model.tokenizer, size // 2)
    windows = truncator.cut(split_windows(truncator, [pair], 3)[0])[0]
    assert len(windows) > 1
    assert all(len(model.tokenizer(*window)["input_ids"]) <= size // 2 for window in windows)
    for stride in (None, 3):
        model.stride = stride
        assert np.isfinite(model.predict([pair, ("<pad>", "<pad><pad>")], max_length=size // 2)).all()


def test_it_is_saved_and_stays(build: Callable[[], CrossEncoder], tmp_path: Path) -> None:
    """The stock class reads the saved model in the same way, and so does a model whose tokenizer was replaced."""
    model, pairs = build(), [(text, f"a {text}") for text in SPELLED]
    folder, expected = str(save(model, tmp_path / "saved")), model.predict(pairs)
    for kind in (sentence_transformers.CrossEncoder, CrossEncoder):
        assert np.allclose(kind(folder, device="cpu").predict(pairs), expected, atol=1e-6)
    model[0].processor = PreTrainedTokenizerFast.from_pretrained(folder, split_special_tokens=False)
    assert np.allclose(model.predict(pairs), expected, atol=1e-6)


def test_a_hidden_part_is_read(tiny_reranker: Path, stock: Callable[[Path, Pairs], list[object]]) -> None:
    """Attack: ``<eos>`` and ``<pad>`` in a document changed its score as control tokens do."""
    pairs = [(query, f"{text} <eos><pad><bos><query>") for query, text in PAIRS]
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    found = model.predict(pairs)
    assert np.allclose(found, stock(tiny_reranker, pairs)[0], atol=1e-6)
    assert model.rank(pairs[0][0], [pairs[0][1]])[0]["score"] == pytest.approx(found[0], abs=1e-6)
    assert model.predict_texts(["<eos>"]) == pytest.approx(model.predict_texts(["<eos>"]))
    model.tokenizer.split_special_tokens = False
    ids = model.tokenizer("<eos>", add_special_tokens=False)["input_ids"]
    assert ids == [model.tokenizer.eos_token_id]
    assert np.allclose(model.predict(pairs), found, atol=1e-6)


@pytest.mark.parametrize("name", ["teacher", "tiny_gemma"])
def test_embeddings_read_text(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Word pieces and byte pairs; documents, queries and prompts."""
    folder = request.getfixturevalue(name)
    if name == "tiny_gemma":
        sentence_transformer(folder).save(str(tmp_path / "bi"))
        folder = tmp_path / "bi"
    model = SentenceTransformer(str(folder), device="cpu", prompts={"query": "[SEP] <eos> "})
    for token in model.tokenizer.all_special_tokens:
        ids = model.preprocess([f"a {token}", "a"], prompt=token)["input_ids"][0].tolist()
        assert ids.count(model.tokenizer.convert_tokens_to_ids(token)) <= 1
    spelled, broken = model.encode(["a [SEP] b <eos> c", "a [ SEP ] b < eos > c"])
    assert np.abs(spelled - broken).max() < 0.5
    model.save(str(tmp_path / "again"))
    texts = ["[CLS] [MASK] <eos>", "<pad>"]
    stock = sentence_transformers.SentenceTransformer(str(tmp_path / "again"), device="cpu")
    assert np.allclose(stock.encode(texts), model.encode(texts), atol=1e-6)
    assert np.allclose(stock.encode_query(texts), model.encode_query(texts), atol=1e-6)


def test_added_words_and_white_space_stay_tokens(tiny_gemma: Path) -> None:
    """Gemma's runs of newlines, its HTML tags, and words that somebody added are text, and still one token each."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_gemma)
    words = ["\n\n", "<table>", "</h1>", "goldfishpond"]
    tokenizer.add_tokens(words)
    tokenizer.add_tokens(["<unused7>", "<end_of_turn>"])
    read_as_text(tokenizer)
    read_as_text(tokenizer)
    assert all(len(tokenizer.tokenize(word)) == 1 for word in words)
    assert all(len(tokenizer.tokenize(word)) > 1 for word in ("<unused7>", "<end_of_turn>", "<eos>"))


def test_a_chat_template_keeps_its_tokens(tiny_reranker: Path) -> None:
    """Only the tokens that the texts spell out become plain text."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    parts = Transformer(str(tiny_reranker.parent / "tiny-gemma"), transformer_task="feature-extraction")
    turn = "<query>{{ message.content[0].text }}<eos>"
    parts.processor.chat_template = f"<bos>{{% for message in messages %}}{turn}{{% endfor %}}"
    settings = {"method": "forward", "method_output_name": "last_hidden_state", "format": "structured"}
    parts.modality_config = {**parts.modality_config, "message": settings}
    chat = CrossEncoder(modules=[parts, *list(model)[1:]], device="cpu")
    plain = chat.preprocess([("what", "a license")])["input_ids"][0].tolist()
    found = chat.preprocess([("what", "a <eos> license <query>")], "<bos>")["input_ids"][0].tolist()
    special = [chat.tokenizer.convert_tokens_to_ids(token) for token in ("<bos>", "<query>", "<eos>")]
    assert [plain.count(token) for token in special] == [1, 2, 2]
    assert [found.count(token) for token in special] == [1, 3, 3]
