"""Tests of gemma_st.hub.verify: a sound model passes, and each fault is found by the check that is for it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.card import Facts
from gemma_st.hub.export import export
from gemma_st.hub.saving import save
from gemma_st.hub.verify import QUERY, TEXTS, verify
from gemma_st.names import packaged
from tests.gemma_st.conftest import make_deaf

NAMES = ["files", "attention", "portable", "batch and order", "padding", "template", "precision", "card"]


def failed(path: Path) -> list[str]:
    """Return the names of the checks that fail, each with a remedy."""
    checks = verify(path)
    assert all(check.remedy for check in checks if not check.ok and check.name in ("template", "card", "files"))
    return [check.name for check in checks if not check.ok]


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file; None takes one out."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.fixture
def model(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A saved model with a card that lacks the measures alone."""
    return export(str(tiny_reranker), tmp_path / "model", Facts("base", "gemma", ("nq-qed",)))


def test_a_sound_model_passes(model: Path) -> None:
    """In the order that the documentation says."""
    checks = verify(model)
    assert [check.name for check in checks] == NAMES
    assert [check.name for check in checks if not check.ok] == ["card"]
    assert "scores differ by 0.0e+00" in checks[2].detail
    assert "without a flag" in checks[2].detail


@pytest.mark.parametrize("name", packaged())
def test_the_packaged_models_pass(name: str) -> None:
    """All of it but, perhaps, the card."""
    assert set(failed(packaged()[name])) <= {"card"}


@pytest.mark.parametrize("pooler", ["last", {"name": "first", "k": 2}, {"name": "kv-probe", "heads": 4}], ids=str)
def test_every_kind_passes(tiny_gemma: Path, tmp_path: Path, pooler: str | dict[str, object]) -> None:
    """Classifiers and bi-encoders, causal ones too, with poolers of ours."""
    torch.manual_seed(0)
    classifier = save(cross_encoder(tiny_gemma, pooler=pooler, labels=3, attention="causal"), tmp_path / "classifier")
    encoder = save(sentence_transformer(tiny_gemma, pooler=pooler, padding_side="left"), tmp_path / "encoder")
    assert failed(classifier) == failed(encoder) == ["card"]
    flag = "without a flag" if pooler == "last" else "trust_remote_code=True"
    assert all(flag in verify(path)[2].detail for path in (classifier, encoder))


def without_template(path: Path) -> None:
    """Leave the texts of a pair side by side."""
    processor = json.loads((path / "tokenizer.json").read_text())["post_processor"]
    processor["pair"] = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    edit(path / "tokenizer.json", post_processor=processor)


def with_sigmoid(path: Path) -> None:
    """Save the activation that stock would choose."""
    edit(path / "config_sentence_transformers.json", activation_fn="torch.nn.modules.activation.Sigmoid")


def with_bf16_logit(path: Path) -> None:
    """Leave the logit in the dtype of the weights."""
    edit(path / "config_sentence_transformers.json", keep_in_fp32_modules=None)


def with_pickle(path: Path) -> None:
    """Add weights that could run code."""
    (path / "pytorch_model.bin").write_bytes(b"cos\nsystem")


def cut_off(path: Path) -> None:
    """Lose the end of the weights."""
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def test_a_model_with_a_stride_passes(tiny_gemma: Path, tmp_path: Path) -> None:
    """Though the stock class cuts what it scores in windows; its card says so."""
    tiny = cross_encoder(tiny_gemma, max_length=80, stride=7)
    with torch.no_grad():
        tiny[-1].linear.weight.mul_(1e3)  # a random head hardly tells texts apart
    assert tiny.predict([(QUERY, TEXTS[-1])])[0] != pytest.approx(tiny.predict([(QUERY, TEXTS[-1][:60])])[0], abs=1e-3)
    path = export(str(save(tiny, tmp_path / "tiny")), tmp_path / "model", Facts("base", "gemma", ("nq-qed",)))
    assert failed(path) == ["card"]
    assert "80 tokens; a longer document by gemma_st in windows 7 apart" in (path / "README.md").read_text()


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (without_template, "template"),
        (with_sigmoid, "precision"),
        (with_bf16_logit, "precision"),
        (with_pickle, "files"),
        (cut_off, "files"),
        (shutil.rmtree, "files"),
    ],
)
def test_a_fault_is_found_by_its_check(model: Path, damage: Callable[[Path], None], check: str) -> None:
    """Beside what the card then says wrongly."""
    damage(model)
    assert [name for name in failed(model) if name != "card"] == [check]


def test_a_mask_that_is_not_heeded_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a transformers that is too old: our class does not even load it."""
    make_deaf(monkeypatch)
    edit(model / "config.json", attn_implementation="eager", _attn_implementation="eager")
    [check] = verify(model)
    assert not check.ok
    assert "is causal in layer 0" in check.detail


def test_scores_that_depend_on_the_batch_are_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or on the padding side: here, a mean over the padding too."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    def pool(self: Pooling, features: dict[str, torch.Tensor], **_: object) -> dict[str, torch.Tensor]:
        features["sentence_embedding"] = features["token_embeddings"].mean(1)
        return features

    monkeypatch.setattr(Pooling, "forward", pool)
    assert "batch and order" in failed(model)
