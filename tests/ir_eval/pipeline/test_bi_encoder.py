"""Tests of ir_eval.pipeline.bi_encoder: cosine scores, the fingerprint, and how a saved bi-encoder is recognised."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from gemma_st.build import sentence_transformer
from gemma_st.hub.saving import save
from gemma_st.names import locate
from ir_eval.pipeline.bi_encoder import BiEncoder
from ir_eval.pipeline.rerank import _is_bi_encoder, load_reranker

PAIRS = [
    ("do goldfish grow", "Goldfish grow as long as they live."),
    ("what is gold", "Gold is a metal."),
    ("do goldfish grow", "Gold is a metal."),
]


@pytest.fixture(scope="module")
def model() -> BiEncoder:
    """all-MiniLM-L6-v2 from its Python package."""
    loaded = load_reranker("all-minilm-l6-v2")
    assert isinstance(loaded, BiEncoder)
    return loaded


def test_scores_are_cosines(model: BiEncoder) -> None:
    """Each score is the cosine of the vectors of the stock class, in any order of the pairs."""
    stock = SentenceTransformer(locate("all-minilm-l6-v2"), device="cpu")
    left, right = (stock.encode(list(texts), normalize_embeddings=True) for texts in zip(*PAIRS, strict=True))
    scores = model.predict(PAIRS)
    np.testing.assert_allclose(scores, (left * right).sum(1), atol=1e-6)
    assert scores.argmax() != scores.argmin() == 2
    np.testing.assert_allclose(model.predict(PAIRS[::-1]), scores[::-1], atol=1e-6)


def test_the_fingerprint_covers_model_and_similarity(model: BiEncoder) -> None:
    """The same model with another similarity function has another fingerprint."""
    before = model.fingerprint()
    assert before == model.fingerprint() != model.model.fingerprint()
    model.model.similarity_fn_name = "dot"
    assert model.fingerprint() != before
    model.model.similarity_fn_name = "cosine"
    assert model.fingerprint() == before


def test_a_bi_encoder_is_recognised_by_its_files(tiny_gemma: Path, tiny_reranker: Path, tmp_path: Path) -> None:
    """Bi-encoders saved by old and new releases are; cross-encoders and plain checkpoints are not."""
    assert _is_bi_encoder(locate("all-minilm-l6-v2"))
    assert _is_bi_encoder(str(save(sentence_transformer(tiny_gemma), tmp_path / "bi")))
    assert not _is_bi_encoder(str(tiny_reranker))
    assert not _is_bi_encoder(locate("gemma-encoder-msmarco"))
    assert not _is_bi_encoder(str(tiny_gemma))
