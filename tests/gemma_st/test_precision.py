"""Tests of the number types that a model computes in: others are refused before any score."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import save
from tests.gemma_st.conftest import PAIRS

Change = Callable[[torch.nn.Module], object]
ONLY = r"this model computes in float32 only: load it with model_kwargs={\"dtype\": \"float32\"} and use it without"
CHANGES: dict[str, Change] = {
    "float16": lambda model: model.half(),
    "to float16": lambda model: model.to(torch.float16),
    "bfloat16": lambda model: model.bfloat16(),
    "the decoder alone": lambda model: model.transformers_model.bfloat16(),
    "the head alone": lambda model: model[-1].half(),
}


def never_run(model: CrossEncoder | SentenceTransformer) -> None:
    """Make the decoder fail if it is run: nothing may be scored before the check."""

    def fail(*_: object) -> None:
        pytest.fail("the decoder ran")

    model.transformers_model.register_forward_pre_hook(fail)


@pytest.fixture
def exact(tiny_gemma: Path, tmp_path: Path) -> Path:
    """Folder of a small reranker that says that it needs float32."""
    model = cross_encoder(tiny_gemma)
    model.dtypes = ["float32"]
    return save(model, tmp_path / "exact")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, "float16", "bfloat16"], ids=str)
def test_another_type_is_refused_at_load(exact: Path, dtype: torch.dtype | str) -> None:
    """The packaged model and any model that says so; also under the former name of the argument."""
    for name in ("gemma-encoder-msmarco", str(exact)):
        for key in ("dtype", "torch_dtype"):
            with pytest.raises(ModelError, match=f"^weights in b?float16; {ONLY}"):
                CrossEncoder(name, device="cpu", model_kwargs={key: dtype})


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_type_is_refused_before_any_score(exact: Path, change: Change) -> None:
    """Whichever part is converted, and whatever scores."""
    model = CrossEncoder(str(exact), device="cpu")
    expected, features = model.predict(PAIRS), model.preprocess(PAIRS)
    change(model)
    never_run(model)
    ways = [lambda: model.predict(PAIRS), lambda: model.rank("what", ["a"]), lambda: model.predict_texts(["a"])]
    for way in [*ways, lambda: model(features), lambda: model.predict(PAIRS, device=["cpu", "cpu"])]:
        with pytest.raises(ModelError, match=f"^weights in b?float16; {ONLY}"):
            way()
    again = CrossEncoder(str(exact), device="cpu")
    assert np.allclose(again.predict(PAIRS), expected)
    assert again.dtypes == ["float32"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_is_refused_before_any_score(exact: Path, dtype: torch.dtype) -> None:
    """Only autocast of the device that the model is on matters; switched off, it does not."""
    for name in ("gemma-encoder-msmarco", str(exact)):
        model = CrossEncoder(name, device="cpu")
        expected, features = model.predict(PAIRS), model.preprocess(PAIRS)
        with torch.autocast("cpu", dtype, enabled=False), torch.autocast("cuda", dtype):
            assert np.allclose(model.predict(PAIRS), expected)
        never_run(model)
        for way in (lambda: model.predict(PAIRS), lambda: model.rank("what", ["a"]), lambda: model(features)):  # noqa: B023
            with torch.autocast("cpu", dtype), pytest.raises(ModelError, match=f"^autocast to b?float16; {ONLY}"):
                way()


def test_embeddings_too(tiny_gemma: Path, tmp_path: Path) -> None:
    """A bi-encoder saves and reads the key as well."""
    model = sentence_transformer(tiny_gemma)
    model.dtypes = ["float32"]
    model.save(str(tmp_path / "bi"))
    again = SentenceTransformer(str(tmp_path / "bi"), device="cpu")
    assert again.encode(["a"]).shape == (1, 32)
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ModelError, match="^autocast to bfloat16; this model"):
        again.encode_query(["a"])
    with pytest.raises(ModelError, match="^weights in bfloat16; this model"):
        again.bfloat16().encode(["a"])


def test_other_models_compute_in_every_type(tiny_reranker: Path) -> None:
    """Without the key nothing changes."""
    model = CrossEncoder(str(tiny_reranker), device="cpu", model_kwargs={"dtype": torch.bfloat16})
    expected = CrossEncoder(str(tiny_reranker), device="cpu").predict(PAIRS)
    assert np.allclose(model.predict(PAIRS), expected, atol=3e-2)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.allclose(model.float().predict(PAIRS), expected, atol=3e-2)


def test_gemma_3_overflows_in_float16(decoder: Callable[..., Path]) -> None:
    """It needs no key; bfloat16 is right."""
    model = cross_encoder(decoder("Gemma3TextModel", layer_types=["full_attention"] * 2))
    with (
        torch.autocast("cpu", torch.float16),
        pytest.raises(ModelError, match="^autocast to float16; Gemma 3 overflows"),
    ):
        model.predict(PAIRS)
    with pytest.raises(ModelError, match="^weights in float16; Gemma 3 overflows in it: use float32 or bfloat16$"):
        model.half().predict(PAIRS)
    assert model.bfloat16().predict(PAIRS).shape == (3,)


@pytest.mark.parametrize("value", ["float32", [], ["float8"], [32], {"float32": True}, True])
def test_a_key_that_means_nothing_is_one_line(exact: Path, value: object) -> None:
    """The error contains the file, the value and the values that are known."""
    path = exact / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dtypes": value}))
    with pytest.raises(
        ModelError, match=r"^config_sentence_transformers.json: dtypes = .*; expected a list of float32"
    ):
        CrossEncoder(str(exact))


def test_training_in_another_type_is_refused(exact: Path, tmp_path: Path) -> None:
    """With the arguments of the stock trainer, before the first step."""
    model = CrossEncoder(str(exact), device="cpu")
    data = Dataset.from_dict({"query": ["a", "b"], "document": ["c", "d"], "label": [1.0, 0.0]})
    given = {"output_dir": str(tmp_path / "out"), "use_cpu": True, "max_steps": 1, "report_to": "none"}
    arguments = CrossEncoderTrainingArguments(bf16=True, **given)
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=BinaryCrossEntropyLoss(model))
    with pytest.raises(ModelError, match=r"^autocast to bfloat16; .*bf16 or fp16 of a trainer"):
        trainer.train()
