"""A broken directory of a model is one line in every way to load it: loading is complete, or an error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.cli import main
from gemma_st.hub.saving import open_model, save
from gemma_st.hub.verify import verify
from tests.gemma_st.conftest import PAIRS

Tensors = dict[str, torch.Tensor]
KEY = "layers.1.mlp.up_proj.weight"
INCOMPLETE = "does not load in full as a GemmaModel: "
WEIGHTS: list[tuple[Callable[[Tensors], object], str]] = [
    (lambda tensors: tensors.pop(KEY), f"{INCOMPLETE}{KEY} is missing; "),
    (dict.clear, f"{INCOMPLETE}embed_tokens.weight is missing, .* more; "),
    (lambda tensors: tensors.update(surplus=torch.zeros(2)), f"{INCOMPLETE}surplus is unexpected; "),
    (lambda tensors: tensors.update({KEY.replace(".1.", ".7."): torch.ones(2)}), "layers.7.mlp.*is unexpected; "),
    (lambda tensors: tensors.update({KEY: torch.ones(2, 3)}), rf"{INCOMPLETE}{KEY} is \(2, 3\), not \(64, 32\); "),
    (
        lambda tensors: tensors[KEY].mul_(torch.nan),
        f": model.{KEY} is not finite in torch.float32; ",
    ),
    (
        lambda tensors: tensors[KEY][0, :1].fill_(torch.inf),
        f": model.{KEY} is not finite in torch.float32; ",
    ),
]
JSON = [
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
]
CONTENT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "mark": lambda content: b"\xef\xbb\xbf" + content,
    "number": lambda content: b"3",
    "swapped": lambda content: b"{}" if content.lstrip().startswith(b"[") else b"[]",
}
VALUES: list[tuple[str, str, object]] = [
    ("config.json", "hidden_size", 0),
    ("config.json", "hidden_size", -1),
    ("config.json", "hidden_size", "wide"),
    ("config.json", "num_attention_heads", 0),
    ("config.json", "num_key_value_heads", 0),
    ("config.json", "num_key_value_heads", -1),
    ("config.json", "is_causal", None),
    ("config.json", "is_causal", "no"),
    ("config.json", "vocab_size", 10),
    ("config.json", "hidden_act", "nothing"),
    ("config.json", "model_type", "nothing"),
    ("config_sentence_transformers.json", "model_type", None),
    ("config_sentence_transformers.json", "model_type", ["CrossEncoder"]),
    ("1_Pooling/config.json", "embedding_dimension", -1),
]
READ_ALL_THE_SAME = ("tokenizer_config.json", "sentence_bert_config.json", "embedding_dimension")


@pytest.fixture
def model(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A copy of a sound cross-encoder."""
    return shutil.copytree(tiny_reranker, tmp_path / "model")


def file(model: Path, name: str) -> Path:
    """Return a file of a model; the number of the head's folder depends on the head."""
    return next(model.glob(name.replace("2_", "[2-9]_")))


def change_weights(path: Path, damage: Callable[[Tensors], object]) -> None:
    """Change the tensors of a file."""
    tensors = load_file(path)
    damage(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def fails(model: Path, capsys: pytest.CaptureFixture[str], message: str | None = None) -> None:
    """Load, verify and export a model: each is an error of one line that names the directory."""
    for load in (CrossEncoder, open_model):
        with pytest.raises(ModelError, match=message) as error:
            load(str(model), device="cpu")
        assert str(model) in str(error.value)
        assert "\n" not in str(error.value)
    [check] = verify(model)
    assert (check.name, check.ok) == ("files", False)
    target = model.with_name("exported")
    assert main(["export", str(model), str(target)]) == 2
    out, err = capsys.readouterr()
    assert "model written" not in out
    assert err.splitlines()[-1].startswith("gemma-st: error: ")
    assert not target.exists()


@pytest.mark.parametrize(("damage", "message"), WEIGHTS)
def test_weights_load_in_full_or_not_at_all(
    model: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Tensors], object], message: str
) -> None:
    """The error names the first tensor; a card that is there changes nothing."""
    (model / "README.md").write_text("# model\n")
    change_weights(model / "model.safetensors", damage)
    fails(model, capsys, message)


@pytest.mark.parametrize("damage", [dict.clear, lambda tensors: tensors.update(surplus=torch.zeros(1))])
@pytest.mark.parametrize("folder", ["1_AttentionPooling", "2_Dense"])
def test_pooler_and_head_load_in_full_or_not_at_all(
    tiny_gemma: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Tensors], object],
    folder: str,
) -> None:
    """Each module of a model has a file of its own."""
    model = save(cross_encoder(tiny_gemma, pooler={"name": "query-probe", "heads": 4}), tmp_path / "model")
    change_weights(file(model, f"{folder}/model.safetensors"), damage)
    fails(model, capsys)


def test_a_bi_encoder_loads_in_full_or_not_at_all(tiny_gemma: Path, tmp_path: Path) -> None:
    """A sound one has stock modules."""
    model = save(sentence_transformer(tiny_gemma), tmp_path / "model")
    assert type(SentenceTransformer(str(model))[0]).__module__.startswith("sentence_transformers.")
    change_weights(model / "model.safetensors", lambda tensors: tensors.pop(KEY))
    with pytest.raises(ModelError, match=f"{INCOMPLETE}{KEY} is missing"):
        SentenceTransformer(str(model))


@pytest.mark.parametrize("name", ["model.safetensors", *JSON])
def test_a_missing_file_is_one_line(model: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Unless the libraries do without it."""
    file(model, name).unlink()
    fails_or_works(model, capsys, name)


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("change", CONTENT)
def test_a_broken_json_file_is_one_line(
    model: Path, capsys: pytest.CaptureFixture[str], name: str, change: str
) -> None:
    """In whichever way it is broken."""
    path = file(model, name)
    path.write_bytes(CONTENT[change](path.read_bytes()))
    fails_or_works(model, capsys, name)


@pytest.mark.parametrize(("name", "key", "value"), VALUES)
def test_an_impossible_value_is_one_line(
    model: Path, capsys: pytest.CaptureFixture[str], name: str, key: str, value: object
) -> None:
    """Sizes below 1, an unknown mask and unknown names."""
    path = model / name
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    fails_or_works(model, capsys, key)


def fails_or_works(model: Path, capsys: pytest.CaptureFixture[str], changed: str) -> None:
    """Load, verify and export a model; only what is in READ_ALL_THE_SAME may do without an error."""
    if changed not in READ_ALL_THE_SAME:
        fails(model, capsys)
        return
    try:
        CrossEncoder(str(model), device="cpu").predict(PAIRS)
    except ModelError as error:
        assert str(model) in str(error)
        assert "\n" not in str(error)
    assert main(["verify", str(model)]) == 1  # its card is missing, too
    assert main(["export", str(model), str(model.with_name("exported"))]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
