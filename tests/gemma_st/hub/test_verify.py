"""Tests of gemma_st.hub.verify: a sound model passes, and each fault fails the check that is for it."""

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
    """Return the names of the checks that fail; those of the files, template and card must have a remedy."""
    checks = verify(path)
    assert all(check.remedy for check in checks if not check.ok and check.name in ("template", "card", "files"))
    return [check.name for check in checks if not check.ok]


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file; the value None removes the key."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.fixture
def model(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A saved model whose card lacks measured numbers and nothing else."""
    return export(str(tiny_reranker), tmp_path / "model", Facts("base", "gemma", ("nq-qed",)))


def test_a_sound_model_passes(model: Path) -> None:
    """The checks come in the documented order."""
    checks = verify(model)
    assert [check.name for check in checks] == NAMES
    assert [check.name for check in checks if not check.ok] == ["card"]
    assert "scores differ by 0.0e+00" in checks[2].detail
    assert "without a flag" in checks[2].detail


@pytest.mark.parametrize("name", packaged())
def test_the_packaged_models_pass(name: str) -> None:
    """Only the check of the card may fail."""
    assert set(failed(packaged()[name])) <= {"card"}


@pytest.mark.parametrize("pooler", ["last", {"name": "first", "k": 2}, {"name": "kv-probe", "heads": 4}], ids=str)
def test_every_kind_passes(tiny_gemma: Path, tmp_path: Path, pooler: str | dict[str, object]) -> None:
    """Classifiers and bi-encoders pass, causal or not, with poolers of this package or stock ones."""
    torch.manual_seed(0)
    classifier = save(cross_encoder(tiny_gemma, pooler=pooler, labels=3, attention="causal"), tmp_path / "classifier")
    encoder = save(sentence_transformer(tiny_gemma, pooler=pooler, padding_side="left"), tmp_path / "encoder")
    assert failed(classifier) == failed(encoder) == ["card"]
    flag = "without a flag" if pooler == "last" else "trust_remote_code=True"
    assert all(flag in verify(path)[2].detail for path in (classifier, encoder))


def without_template(path: Path) -> None:
    """Remove the text between query and document."""
    processor = json.loads((path / "tokenizer.json").read_text())["post_processor"]
    processor["pair"] = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    edit(path / "tokenizer.json", post_processor=processor)


def with_sigmoid(path: Path) -> None:
    """Save the activation that is the default of stock sentence-transformers."""
    edit(path / "config_sentence_transformers.json", activation_fn="torch.nn.modules.activation.Sigmoid")


def with_bf16_logit(path: Path) -> None:
    """Compute the logit in the dtype of the weights."""
    edit(path / "config_sentence_transformers.json", keep_in_fp32_modules=None)


def with_pickle(path: Path) -> None:
    """Add weights in a format that can run code."""
    (path / "pytorch_model.bin").write_bytes(b"cos\nsystem")


def truncated(path: Path) -> None:
    """Remove the end of the weights."""
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def test_a_model_with_a_stride_passes(tiny_gemma: Path, tmp_path: Path) -> None:
    """The stock class truncates documents that this package splits into windows, and the card says so."""
    tiny = cross_encoder(tiny_gemma, max_length=80, stride=7)
    with torch.no_grad():
        tiny[-1].linear.weight.mul_(1e3)  # a random head hardly tells texts apart
    assert tiny.predict([(QUERY, TEXTS[-1])])[0] != pytest.approx(tiny.predict([(QUERY, TEXTS[-1][:60])])[0], abs=1e-3)
    path = export(str(save(tiny, tmp_path / "tiny")), tmp_path / "model", Facts("base", "gemma", ("nq-qed",)))
    assert failed(path) == ["card"]
    assert (
        "80 tokens; gemma_st scores a longer document in windows that start 7 tokens apart"
        in (path / "README.md").read_text()
    )


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (without_template, "template"),
        (with_sigmoid, "precision"),
        (with_bf16_logit, "precision"),
        (with_pickle, "files"),
        (truncated, "files"),
        (shutil.rmtree, "files"),
    ],
)
def test_a_fault_is_found_by_its_check(model: Path, damage: Callable[[Path], None], check: str) -> None:
    """The card may then be wrong, too."""
    damage(model)
    assert [name for name in failed(model) if name != "card"] == [check]


def test_an_ignored_mask_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformers that is too old ignores the mask: our class refuses to load the model."""
    make_deaf(monkeypatch)
    edit(model / "config.json", attn_implementation="eager", _attn_implementation="eager")
    [check] = verify(model)
    assert not check.ok
    assert "is causal in layer 0" in check.detail


def test_scores_that_depend_on_the_batch_are_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the pooler takes the mean over the padding, too."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    def pool(self: Pooling, features: dict[str, torch.Tensor], **_: object) -> dict[str, torch.Tensor]:
        features["sentence_embedding"] = features["token_embeddings"].mean(1)
        return features

    monkeypatch.setattr(Pooling, "forward", pool)
    assert "batch and order" in failed(model)
