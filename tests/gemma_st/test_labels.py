"""Tests of the rankings, label names, probabilities and single texts of a cross-encoder."""

from pathlib import Path

import numpy as np
import pytest
import sentence_transformers
import torch
from numpy.typing import NDArray

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.modeling.truncation import Truncator
from tests.gemma_st.conftest import LICENSE, PAIRS

NAMES = ["entailment", "neutral", "contradiction"]
DOCUMENTS = [document for _, document in PAIRS]


@pytest.fixture(scope="module")
def classifier(tiny_gemma: Path) -> CrossEncoder:
    """A classifier with three labels."""
    torch.manual_seed(0)
    return cross_encoder(tiny_gemma, labels=NAMES)


@pytest.fixture(scope="module")
def ranker(tiny_reranker: Path) -> CrossEncoder:
    """A reranker."""
    return CrossEncoder(str(tiny_reranker), device="cpu")


def test_single_texts_are_scored_one_by_one(classifier: CrossEncoder, ranker: CrossEncoder) -> None:
    """Field notes: ``predict(["a", "b"])`` is read as one pair."""
    assert classifier.predict(["a", "b"]).shape == (3,)
    assert classifier.predict_texts(["a", "b"]).shape == (2, 3)
    assert ranker.predict_texts(["a", "b", "c"]).shape == (3,)
    assert ranker.predict_texts([]).shape == (0,)


def test_a_text_is_read_within_its_own_template(classifier: CrossEncoder) -> None:
    """The template of a text is ``<bos> … <eos>``, in batches of any size."""
    texts = [text for text in LICENSE.read_text().split("\n\n") if text.strip()][:9]
    ids = classifier.preprocess(texts[:1])["input_ids"][0].tolist()
    assert (ids[0], ids[-1]) == (2, 1)
    expected = np.stack([classifier.predict_texts([text])[0] for text in texts])
    assert np.allclose(classifier.predict_texts(texts, batch_size=4), expected, atol=1e-5)


def test_a_string_is_not_a_list_of_texts(classifier: CrossEncoder) -> None:
    """A string would be scored letter by letter."""
    with pytest.raises(ModelError, match="a string; expected a list of texts, so put it into one"):
        classifier.predict_texts("what is a license")


def test_labels_and_probabilities_go_by_name(classifier: CrossEncoder) -> None:
    """The scores are those of pairs or of single texts."""
    scores = np.array([[0.0, 2.0, 1.0], [5.0, -5.0, 0.0], [1000.0, 0.0, -1000.0]], dtype=np.float32)
    assert classifier.labels(scores) == ["neutral", "entailment", "entailment"]
    found = classifier.probabilities(scores)
    assert [list(row) for row in found] == [NAMES] * 3
    expected = np.exp(scores[0].astype(float)) / np.exp(scores[0].astype(float)).sum()
    assert list(found[0].values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert found[2] == {"entailment": 1.0, "neutral": 0.0, "contradiction": 0.0}
    assert len(classifier.labels(classifier.predict(PAIRS))) == len(PAIRS)
    assert sum(classifier.probabilities(classifier.predict_texts(["a"]))[0].values()) == pytest.approx(1)


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((2, 2)), np.zeros((1, 2, 3))], ids=np.shape)
def test_scores_of_another_shape_have_no_names(classifier: CrossEncoder, scores: NDArray[np.float32]) -> None:
    """The scores of one text have no row."""
    with pytest.raises(ModelError, match=r"expected \(texts, labels\) with at least 2 labels"):
        classifier.labels(scores)


def test_one_score_is_no_label(ranker: CrossEncoder) -> None:
    """A ranking model has no label names."""
    with pytest.raises(ModelError, match=r"from a model with 1 label\(s\)"):
        ranker.probabilities(ranker.predict(PAIRS))


def test_rank_orders_by_score(ranker: CrossEncoder) -> None:
    """Each hit has an index, a score, and a text if asked for."""
    scores = ranker.predict([("what", document) for document in DOCUMENTS])
    hits = ranker.rank("what", DOCUMENTS, return_documents=True)
    assert [hit["corpus_id"] for hit in hits] == np.argsort(-scores).tolist()
    assert [hit["score"] for hit in hits] == pytest.approx(sorted(scores.tolist(), reverse=True), abs=1e-6)
    assert [hit["text"] for hit in hits] == [DOCUMENTS[hit["corpus_id"]] for hit in hits]
    assert ranker.rank("what", DOCUMENTS, top_k=2) == [{k: hit[k] for k in ("corpus_id", "score")} for hit in hits[:2]]
    assert ranker.rank("what", []) == []


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("top_k", [4, 10**9])
@pytest.mark.parametrize("return_documents", [False, True])
def test_rank_returns_what_there_is(ranker: CrossEncoder, count: int, top_k: int, return_documents: bool) -> None:
    """As in the stock class, a cutoff above the number of documents is no error."""
    documents = DOCUMENTS[:count]
    hits = ranker.rank("what", documents, top_k, return_documents)
    assert hits == ranker.rank("what", documents, None, return_documents)
    assert sorted(hit["corpus_id"] for hit in hits) == list(range(count))
    assert all(("text" in hit) == return_documents for hit in hits)


@pytest.mark.parametrize("documents", [DOCUMENTS, []])
@pytest.mark.parametrize("top_k", [0, -1])
def test_rank_refuses_a_cutoff_that_is_none(
    ranker: CrossEncoder, tiny_reranker: Path, top_k: int, documents: list[str]
) -> None:
    """Field notes: with -1 the stock class drops a document."""
    with pytest.raises(ModelError, match=f"top_k={top_k}; expected at least 1, or None for all documents"):
        ranker.rank("what", documents, top_k=top_k)
    stock = sentence_transformers.CrossEncoder(str(tiny_reranker), device="cpu")
    assert len(stock.rank("what", DOCUMENTS, top_k=-1)) == 2


def test_a_regression_learns_numbers_beyond_zero_and_one(tiny_gemma: Path) -> None:
    """Field notes: the stock class adds a sigmoid to a single label, which does not fit a similarity from 0 to 5."""
    torch.manual_seed(0)
    model, wanted = cross_encoder(tiny_gemma), torch.tensor([0.0, 2.5, 5.0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = torch.nn.functional.mse_loss(model(model.preprocess(PAIRS))["scores"].squeeze(-1), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.predict(PAIRS).tolist() == pytest.approx(wanted.tolist(), abs=0.3)


@pytest.mark.parametrize("method", ["counts", "cut"])
def test_a_fault_in_cutting_is_not_swallowed(
    ranker: CrossEncoder, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Field notes: ``BaseModel.preprocess`` swallows the TypeErrors of custom modules and goes on without them."""

    def broken(*_: object) -> None:
        raise TypeError("a bug of ours")

    monkeypatch.setattr(Truncator, method, broken)
    with pytest.raises(TypeError, match="a bug of ours"):
        ranker.predict([*PAIRS, ("a query that is too long " * 60, "a document")])
