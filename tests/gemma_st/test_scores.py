"""Tests of what predict and rank refuse: scores that are not finite, and inputs that are no pairs of texts."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from tests.gemma_st.conftest import PAIRS

NOT_FINITE = (
    r"^the score of pair {} is not finite \(weights in torch.{}\); expected a number; load the model in float32"
)


def overflowing(model: CrossEncoder, value: float, text: str = "patent") -> CrossEncoder:
    """Make the logit of each input that contains the tokens of a text ``value``."""
    tokens = torch.tensor(model.tokenizer(text, add_special_tokens=False).input_ids)

    def overflow(_module: torch.nn.Module, _args: object, features: dict[str, torch.Tensor]) -> None:
        found = features["input_ids"].unfold(1, len(tokens), 1).eq(tokens).all(2).any(1)
        features["scores"][found, 0] = value

    model.register_forward_hook(overflow)
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", [None, torch.nn.Sigmoid(), lambda logits: logits.clamp(-9, 9)])
@pytest.mark.parametrize("form", ["numpy", "tensor", "list"])
@pytest.mark.parametrize("labels", [1, 3])
def test_a_score_that_is_not_finite_is_one_line(
    tiny_gemma: Path, value: float, activation: Callable[[torch.Tensor], torch.Tensor] | None, form: str, labels: int
) -> None:
    """The error contains the index of the first such pair, even if the activation would hide an infinite logit."""
    model = overflowing(cross_encoder(tiny_gemma, labels=labels), value)
    output = {"convert_to_tensor": form == "tensor", "convert_to_numpy": form == "numpy"}
    pairs = [PAIRS[0], PAIRS[2], ("what", "a patent"), PAIRS[1]]
    for softmax in (False, True):
        with pytest.raises(ModelError, match=NOT_FINITE.format(2, "float32")) as error:
            model.predict(pairs, batch_size=2, activation_fn=activation, apply_softmax=softmax, **output)
        assert "\n" not in str(error.value)
    with pytest.raises(ModelError, match=NOT_FINITE.format(0, "float32")):
        model.predict(PAIRS[1], activation_fn=activation, **output)
    assert len(model.predict(PAIRS[::2], activation_fn=activation, **output)) == 2


@pytest.mark.parametrize("stride", [None, 8])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rank_and_windows_refuse_it_too(tiny_gemma: Path, value: float, stride: int | None) -> None:
    """One window that is not finite is enough; the index is that of the document."""
    model = overflowing(cross_encoder(tiny_gemma, max_length=40, stride=stride), value)
    documents = ["a license", "a work. " * 40]
    for document in ("patent", "patent " + "a work. " * 40, *(["a work. " * 40 + "patent"] if stride else [])):
        with pytest.raises(ModelError, match=NOT_FINITE.format(2, "float32")):
            model.rank("what", [*documents, document, "patent"], activation_fn=torch.nn.Sigmoid())
    with pytest.raises(ModelError, match=NOT_FINITE.format(1, "float32")):
        model.predict_texts(["a license", "patent"])
    assert len(model.rank("what", documents)) == 2


def test_float16_autocast_is_one_line_if_it_overflows(tiny_gemma: Path) -> None:
    """The weights are in float32, and the states of the decoder overflow."""
    model = cross_encoder(tiny_gemma)
    with torch.no_grad():
        model.transformers_model.layers[0].mlp.down_proj.weight.mul_(1e9)
    assert np.isfinite(model.predict(PAIRS)).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert np.isfinite(model.predict(PAIRS)).all()
    with torch.autocast("cpu", torch.float16), pytest.raises(ModelError, match=NOT_FINITE.format(0, "float32")):
        model.predict(PAIRS)


def test_an_activation_that_is_not_finite_is_one_line(tiny_gemma: Path) -> None:
    """The logarithm of a negative logit is NaN."""
    model = cross_encoder(tiny_gemma)
    with pytest.raises(ModelError, match="check weights and activation"):
        model.predict(PAIRS, activation_fn=lambda logits: torch.log(-logits.abs() - 1))


BAD = {
    "none": (("what", None), "its document is of type NoneType: None; expected a text"),
    "missing value": (("what", float("nan")), "its document is of type float: nan; expected a text"),
    "number": ((7, "a license"), "its query is of type int: 7; expected a text"),
    "numpy number": (["what", np.float32(1)], r"its document is of type float32: .*1.0.*; expected a text"),
    "bytes": (("what", b"a license"), "its document is of type bytes: b'a license'; expected a text"),
    "set": (("what", {"a license"}), "its document is of type set: .*; expected a text"),
    "three": (("what", "a license", "a patent"), r"it is a tuple of 3 values; expected \(query, document\)"),
    "one": (["what"], r"it is a list of 1 values; expected \(query, document\)"),
    "empty": ((), r"it is a tuple of 0 values; expected \(query, document\)"),
    "no pair": (None, r"it is of type NoneType: None; expected \(query, document\)"),
    "bare number": (3.5, r"it is of type float: 3.5; expected \(query, document\)"),
    "nested": (("what", ("a", None)), r"its document is of type tuple: \('a', None\); expected a text"),
}


class _Table:
    def __repr__(self) -> str:
        return "a\nb"


@pytest.fixture(scope="module")
def model(tiny_reranker: Path) -> CrossEncoder:
    """The small reranker, loaded once; nothing may be scored before the types are checked."""
    return CrossEncoder(str(tiny_reranker), device="cpu")


@pytest.mark.parametrize(("pair", "message"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("index", [0, 1, 40])
def test_an_input_that_is_no_pair_is_one_line(model: CrossEncoder, pair: object, message: str, index: int) -> None:
    """The error contains the index, the type and what was expected, before anything is scored."""
    pairs: list[object] = [PAIRS[0]] * 41
    pairs[index] = pair
    with pytest.raises(ModelError, match=f"^pair {index}: {message}; remove it$"):
        model.predict(pairs, batch_size=1)


def test_other_forms_of_bad_pairs_are_one_line(model: CrossEncoder) -> None:
    """Arrays as pandas gives them, a single pair, single texts, and an iterator of pairs."""
    table = np.array([["what", "a license"], ["what", np.nan]], dtype=object)
    with pytest.raises(ModelError, match="^pair 1: its document is of type float: nan"):
        model.predict(table)
    with pytest.raises(ModelError, match="^pair 0: its document is of type float: nan"):
        model.predict(table[1])
    with pytest.raises(ModelError, match="^pair 0: its document is of type NoneType"):
        model.predict(("what", None))
    with pytest.raises(ModelError, match=r"^pair 0: it is of type zip: .*; expected \(query, document\)"):
        model.predict(zip(["what"], ["a license"], strict=True))
    with pytest.raises(ModelError, match=r"^pair 0: its document is of type _Table: a b; expected a text; remove it$"):
        model.predict(("what", _Table()))
    with pytest.raises(ModelError, match="^pair 1: it is of type NoneType: None"):
        model.predict_texts(["a license", None])


@pytest.mark.parametrize("document", [None, float("nan"), 3, b"a license"])
def test_rank_names_the_document(model: CrossEncoder, document: object) -> None:
    """The index is that of the document; a query of a wrong type is an error of the first pair."""
    with pytest.raises(ModelError, match=f"^pair 2: its document is of type {type(document).__name__}: "):
        model.rank("what", ["a license", "a patent", document])
    with pytest.raises(ModelError, match=f"^pair 0: its query is of type {type(document).__name__}: "):
        model.rank(document, ["a license"])


@pytest.mark.parametrize("character", ["\ud800", "\udc00", "\udfff", "\0"])
def test_a_character_that_is_none_is_one_line(model: CrossEncoder, character: str) -> None:
    """A lone surrogate was a TypeError of tokenizers; the error has the index, in every form of input."""
    message = re.escape(f"its text has {character!r} at character 2; expected readable text; remove it")
    bad, good = f"a {character} é", ("what", "a license 😀")
    for pair in (("what", bad), (bad, "what"), ["what", bad]):
        with pytest.raises(ModelError, match=f"^pair 40: {message}$"):
            model.predict([good] * 40 + [pair], batch_size=1)
        with pytest.raises(ModelError, match=f"^pair 1: {message}$"):
            model.preprocess([good, pair])
    with pytest.raises(ModelError, match=f"^pair 1: {message}$"):
        model.rank("what", ["a license", bad])
    with pytest.raises(ModelError, match=f"^pair 0: {message}$"):
        model.predict(("what", bad))
    with pytest.raises(ModelError, match=f"^text 1: {message}$"):
        model.predict_texts(["a license", bad])
    with pytest.raises(ModelError, match=f"^pair 1: {message}$"):
        model.predict([good, ({"text": "a license"}, {"text": bad})])
    with pytest.raises(ModelError, match=re.escape(f"the prompt has {character!r} at character 2")):
        model.predict([good], prompt=bad)


def test_what_the_stock_class_accepts_passes(model: CrossEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs in lists and arrays, dicts, messages, images and sounds reach the stock class."""
    pairs = [list(pair) for pair in PAIRS]
    for inputs in (pairs, tuple(PAIRS), np.array(PAIRS), np.array(PAIRS, dtype=object)):
        assert np.allclose(model.predict(inputs), model.predict(PAIRS))
    assert model.predict({"text": "a license"}) == model.predict("a license")
    monkeypatch.setattr(CrossEncoder, "_inference", lambda _self, inputs, **_options: torch.zeros(len(inputs)))
    image, sound = np.zeros((8, 8, 3)), {"array": np.zeros(9), "sampling_rate": 16000}
    messages = [{"role": "user", "content": "a license"}]
    for item in (image, sound, torch.zeros(3, 8, 8), {"image": image, "text": "a"}, [image, image], messages[0]):
        assert model.predict([("what", item), (item, "a license")]).shape == (2,)
    assert model.predict([messages, messages]).shape == (2,)
