"""Tests of maximum lengths: above what the model reads, or no number of tokens, they are errors."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sentence_transformers

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder

ABOVE = "^max_length={} is above the 128 tokens that the model reads; give at most 128$"
NO_NUMBER = "^max_length={}; expected a whole number of tokens, at least 1, or None$"
PAIR = ("what", "a license")


@pytest.fixture(scope="module")
def model(tiny_reranker: Path) -> CrossEncoder:
    """The small reranker, which reads 128 tokens."""
    return CrossEncoder(str(tiny_reranker), device="cpu")


@pytest.mark.parametrize(("length", "message"), [(129, ABOVE), (10**30, ABOVE), (0, NO_NUMBER), (-1, NO_NUMBER)])
def test_a_length_beyond_the_model_is_refused(model: CrossEncoder, length: int, message: str) -> None:
    """At load, in a prediction, and as an attribute of the model."""
    folder = model[0].model.config.name_or_path
    ways: list[Callable[[], object]] = [
        lambda: CrossEncoder(folder, max_length=length),
        lambda: CrossEncoder(folder, processor_kwargs={"model_max_length": length}),
        lambda: model.predict([PAIR], max_length=length),
        lambda: model.predict([], max_length=length),
        lambda: model.predict([PAIR], processing_kwargs={"text": {"max_length": length}}),
        lambda: model.predict_texts(["a"], max_length=length),
        lambda: model.preprocess([PAIR], max_length=length),
    ]
    for way in ways:
        with pytest.raises(ModelError, match=message.format(length)):
            way()
    model.max_seq_length = length
    with pytest.raises(ModelError, match=message.format(length)):
        model.rank("what", ["a license"])
    model.max_seq_length = 128
    assert model.predict([PAIR], max_length=128) == model.predict([PAIR], max_length=1 + 127)


@pytest.mark.parametrize("length", [1.5, "64", True])
def test_a_length_that_is_no_number_is_refused(model: CrossEncoder, length: object) -> None:
    """The value is in the error."""
    with pytest.raises(ModelError, match=NO_NUMBER.format(repr(length))):
        model.predict([PAIR], max_length=length)


@pytest.mark.parametrize("name", ["query_length", "document_length"])
@pytest.mark.parametrize("length", [0, -5, 65, 2.5])
def test_a_budget_beyond_the_length_is_refused(tiny_gemma: Path, tmp_path: Path, name: str, length: float) -> None:
    """As an attribute, and in a saved model."""
    model = cross_encoder(tiny_gemma, max_length=64)
    setattr(model[0], name, length)
    with pytest.raises(ModelError, match=f"^{name}={length}"):
        model.predict([PAIR])
    sentence_transformers.CrossEncoder(modules=[*model]).save(str(tmp_path / "saved"))
    value = (
        f"{name}={length} is above the 64" if length == 65 else f"sentence_bert_config.json: {name} = {length}; Input"
    )
    with pytest.raises(ModelError, match=value):
        CrossEncoder(str(tmp_path / "saved"))


def test_embeddings_too(teacher: Path) -> None:
    """The small BERT reads 64 tokens."""
    model = SentenceTransformer(str(teacher), device="cpu")
    assert model.encode(["a"], processing_kwargs={"text": {"max_length": 64}}).shape == (1, 24)
    model.max_seq_length = 65
    with pytest.raises(ModelError, match="^max_length=65 is above the 64 tokens that the model reads"):
        model.encode(["a"])
