"""Tests of gemma_st.modeling.windows: how a long document is split, and its score."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.modeling.truncation import Truncation, Truncator
from gemma_st.modeling.windows import combine_scores, split_windows
from gemma_st.signatures import Activation
from tests.gemma_st.modeling.conftest import LONG, size


def test_every_word_is_in_a_window_that_fits(tokenizer: PreTrainedTokenizerBase) -> None:
    """Each window begins with a word, at most a stride after the previous one; the last ends with the document."""
    document = " ".join(f"copy{number}" for number in range(100))
    truncator = Truncator(tokenizer, 60)
    parts, sizes, counts = split_windows(truncator, [("what", document), ("what", "a license")], 16)
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
    assert all(begin < after < begin + len(text) for begin, text, after in zip(begins, texts, begins[1:], strict=False))
    assert len(texts) >= (len(tokenizer.tokenize(document)) - 60) / 16


@pytest.mark.parametrize("text", ["".join(map(chr, range(0x4E00, 0x4E40))), "".join(map(chr, range(0x1F600, 0x1F640)))])
def test_a_stride_beyond_the_window_skips_nothing(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """This also holds for a text without spaces."""
    parts, _, _ = split_windows(Truncator(tokenizer, 60, document_length=8), [("what", text)], 1000)
    assert len(parts) > 5
    assert {character for _, part in parts for character in part} >= set(text)


def test_what_a_query_leaves_no_room_for_is_lost(tokenizer: PreTrainedTokenizerBase) -> None:
    """The document is counted once, together with the query."""
    parts, sizes, counts = split_windows(Truncator(tokenizer, 40), [(LONG, "a permission")], 16)
    assert (parts[0][1], sizes) == ("", [1])
    assert counts == Truncation(inputs=1, queries=1, documents=1, lost=1)


def test_the_best_window_and_the_first_count(tiny_gemma: Path, tmp_path: Path) -> None:
    """The maximum weighs 2/3 and the first score 1/3, in any order and batch, and after saving and loading."""
    torch.manual_seed(1)  # of a random head's windows the first might be the best
    model = cross_encoder(tiny_gemma, max_length=40)
    document = "you may copy the work " * 9 + "without a patent or a warranty, 1 2 3. " * 9
    with torch.no_grad():
        model[-1].linear.weight.mul_(1e3)  # a random head hardly tells texts apart
    plain = model.predict([("what", document), ("what", "a license")])
    model.stride = 10
    windows, _, _ = split_windows(Truncator(model.tokenizer, 40), [("what", document)], 10)
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


@pytest.mark.parametrize(
    "activation", [torch.nn.Sigmoid(), torch.nn.Tanh(), torch.nn.Softplus(), lambda logits: logits.sigmoid() * 5]
)
@pytest.mark.parametrize("saved", [False, True], ids=["argument", "attribute"])
def test_an_activation_keeps_the_order_of_windowed_documents(
    tiny_gemma: Path, activation: Activation, saved: bool
) -> None:
    """Field notes: it was applied to each window's score before the scores were combined."""
    torch.manual_seed(1)
    model = cross_encoder(tiny_gemma, max_length=40, stride=10)
    words = ["license", "patent", "copy", "work", "warranty", "1 2 3", "goldfish", "a", "you may not", "contribute"]
    documents = [" ".join(words[place % 10 :] * (1 + place % 7) + words[: place % 10] * 3) for place in range(24)]
    pairs = [("what", document) for document in [*documents, "a short text"]]
    raw, head = model.predict(pairs), model[-1].linear
    with torch.no_grad():  # logits of mean 0 and deviation 1, so that no activation saturates
        head.bias.sub_(float(raw.mean())).div_(float(raw.std()))
        head.weight.div_(float(raw.std()))
    logits = torch.as_tensor(model.predict(pairs))
    if saved:
        model.activation_fn = activation
    scores = model.predict(pairs, activation_fn=None if saved else activation)
    assert np.allclose(scores, activation(logits), atol=1e-6)
    hits = model.rank("what", [text for _, text in pairs], activation_fn=None if saved else activation)
    assert [hit["corpus_id"] for hit in hits] == np.argsort(-logits.numpy(), kind="stable").tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_scores_are_combined_without_segment_reduce(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no MPS kernel (pytorch#197880); its results are those of a loop, infinite scores included."""
    monkeypatch.delattr(torch, "segment_reduce")
    random = np.random.default_rng(0)
    sizes = random.integers(1, 9, 200).tolist()
    scores = torch.from_numpy(random.normal(size=sum(sizes))).to(dtype)
    scores[[0, 7, -1]] = torch.tensor([torch.inf, -torch.inf, -torch.inf], dtype=dtype)
    wanted = [part.max().lerp(part[0], 1 / 3) for part in scores.split(sizes)]
    assert torch.equal(combine_scores(scores, sizes).nan_to_num(), torch.stack(wanted).nan_to_num())
    assert combine_scores(scores[:0], []).shape == (0,)


def test_the_packaged_model_finds_an_answer_at_the_end() -> None:
    """The answer is in the last of 300 words; without windows it is truncated and does not change the score."""
    model = CrossEncoder("gemma-encoder-msmarco")
    filler = " ".join(["The treaty was signed by four kings, who met in winter."] * 27)
    pairs = [("do goldfish grow", f"{filler} {end}") for end in ("Goldfish grow as long as they live.", "It held.")]
    found = model.predict(pairs)
    assert found[0] > found[1] + 0.05
    assert model.truncation == Truncation(inputs=2)
    model.stride = None
    cut = model.predict(pairs)
    assert cut[0] == pytest.approx(cut[1], abs=1e-5)


def test_single_texts_are_cut(tiny_gemma: Path) -> None:
    """A single text is truncated even if there is a stride."""
    model = cross_encoder(tiny_gemma, max_length=40, stride=10)
    assert model.predict_texts([LONG]).shape == (1,)
    assert model.truncation == Truncation(inputs=1, documents=1)


@pytest.mark.parametrize(("labels", "stride"), [(2, 10), (1, 0)])
def test_a_stride_that_means_nothing_is_one_line(tiny_gemma: Path, labels: int, stride: int) -> None:
    """With several labels there is no maximum over windows."""
    model = cross_encoder(tiny_gemma, labels=labels)
    model.stride = stride
    with pytest.raises(
        ModelError, match=f"stride={stride} with {labels} label.s.; expected at least 1, with one label"
    ):
        model.predict([("what", "a license")])
