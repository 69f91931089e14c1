"""Saving and loading poolers, by our classes and by the stock classes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gemma_st.errors import ModelError
from gemma_st.modeling.pooling import AttentionPooling
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.modeling.pooling.conftest import (
    ATTENTION,
    LENGTHS,
    OURS,
    WIDTH,
    batch,
    each_of_ours,
    make,
    pool,
    texts,
)


@each_of_ours
def test_saved_and_loaded_it_is_the_same_to_the_bit(case: str, tmp_path: Path) -> None:
    """The files contain no pickle."""
    pooling = make(case, include_prompt=False)
    pooling.save(str(tmp_path))
    weights = ["model.safetensors"] if case in ATTENTION else []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", *weights]
    loaded = type(pooling).load(str(tmp_path))
    assert loaded.get_config_dict() == pooling.get_config_dict()
    assert loaded.get_embedding_dimension() == WIDTH
    assert torch.equal(pool(loaded, batch(texts(LENGTHS[:3]))), pool(pooling, batch(texts(LENGTHS[:3]))))
    with pytest.raises(ModelError, match="safetensors only"):
        pooling.save(str(tmp_path), safe_serialization=False)


def test_files_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    """Wrong keys, shapes, bytes and a pickle instead of the weights are each an error."""
    pooling = make("query-1")

    def refused(message: str) -> None:
        with pytest.raises(ModelError, match=message) as error:
            AttentionPooling.load(str(tmp_path))
        assert "\n" not in str(error.value)
        pooling.save(str(tmp_path))

    refused(r"config.json of AttentionPooling has the keys \[\]; expected")
    (tmp_path / "config.json").write_text(json.dumps({**pooling.get_config_dict(), "probes": 2}))
    refused("does not fit its config.json.*size mismatch for queries")
    (tmp_path / "config.json").write_text(json.dumps({**pooling.get_config_dict(), "probe": "kv"}))
    refused("does not fit its config.json.*Missing key")
    (tmp_path / "config.json").write_text(json.dumps({**pooling.get_config_dict(), "bias": True}))
    refused("has the keys .*bias.*; expected")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 20)
    refused("does not fit its config.json")
    (tmp_path / "model.safetensors").unlink()
    torch.save(pooling.state_dict(), tmp_path / "pytorch_model.bin")
    refused("model.safetensors, the pooler's weights, is absent")
    assert AttentionPooling.load(str(tmp_path)).heads == 1


# Another process, in which gemma_st is installed but not imported: what the stock classes make of directories.
STOCK = """
import json, sys
import sentence_transformers
asked, refusals, answers = json.load(sys.stdin), [], []
for kind, path, _ in asked:
    try:
        getattr(sentence_transformers, kind)(path, device="cpu")
    except Exception as error:
        refusals.append(f"{type(error).__name__}: {error}")
assert "gemma_st" not in sys.modules
for kind, path, texts in asked:
    model = getattr(sentence_transformers, kind)(path, device="cpu", trust_remote_code=True)
    run = model.encode if kind == "SentenceTransformer" else model.predict
    answers.append([type(model[1]).__name__, run(texts).tolist()])
print(json.dumps([refusals, answers]))
"""


def test_the_stock_classes_load_ours_with_trust_and_refuse_them_without(tiny_gemma: Path, tmp_path: Path) -> None:
    """They run in a new process."""
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer

    asked, expected = [], []
    for case in OURS:
        pooling = make(case, width=32)
        scores = Dense(32, 1, activation_function=nn.Identity(), module_output_name="scores")
        model = CrossEncoder(modules=[Transformer(str(tiny_gemma)), pooling, scores], device="cpu")
        model.save_pretrained(str(tmp_path / case), create_model_card=False)
        modules = json.loads((tmp_path / case / "modules.json").read_text())
        assert modules[1]["type"] == f"gemma_st.modeling.pooling.{type(pooling).__name__}"
        asked.append(["CrossEncoder", str(tmp_path / case), PAIRS])
        expected.append((pooling, model.predict(PAIRS)))
    encoder = SentenceTransformer(modules=[Transformer(str(tiny_gemma)), make("kv-5", width=32)], device="cpu")
    encoder.save_pretrained(str(tmp_path / "encoder"), create_model_card=False)
    asked.append(["SentenceTransformer", str(tmp_path / "encoder"), ["patent", "license"]])
    expected.append((encoder[1], encoder.encode(["patent", "license"])))
    process = subprocess.run(
        [sys.executable, "-c", STOCK], input=json.dumps(asked), capture_output=True, text=True, cwd=tmp_path
    )
    assert process.returncode == 0, process.stderr[-2000:]
    for (pooling, values), refusal, (loaded, found) in zip(expected, *json.loads(process.stdout), strict=True):
        name = type(pooling).__name__
        assert refusal.startswith("ValueError: ")
        assert f"references the module class 'gemma_st.modeling.pooling.{name}'" in refusal
        assert "`trust_remote_code=True`" in refusal
        assert loaded == name
        assert np.allclose(found, values, atol=1e-5)
