"""A damaged model directory, or model by hub id, scores as before or is refused in one line that names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.cli import main
from gemma_st.hub.export import export
from gemma_st.hub.saving import save
from gemma_st.hub.verify import verify
from gemma_st.names import packaged
from gemma_st.training.lora import AdapterConfig, add_adapter, merge
from gemma_st.training.start import load_teacher
from tests.faults.model_directories import damages, outcome
from tests.gemma_st.conftest import PAIRS

SHARE = 23  # every so many damages are tried here, and all of them by make faults
KEY = "layers.1.mlp.up_proj.weight"
Tensors = dict[str, torch.Tensor]


def score(model: Path) -> NDArray[np.float32]:
    """Load a model and score pairs."""
    return CrossEncoder(str(model), device="cpu").predict(PAIRS)


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def faults_of(model: Path, folder: Path, share: int) -> dict[str, str]:
    """Return what is wrong after one in so many damages to a copy of a model."""
    expected, faults = score(model), {}
    for damage in list(damages(model))[::share]:
        copy = shutil.copytree(model, folder / "model")
        damage.apply(copy)
        if fault := outcome(score, copy, expected, damage):
            faults[str(damage)] = fault
        shutil.rmtree(copy)
        (folder / "outside.safetensors").unlink(missing_ok=True)
    return faults


def test_a_damaged_model_scores_as_before_or_is_one_line(tiny_reranker: Path, tmp_path: Path) -> None:
    """A share of all damages, of every file and every kind."""
    assert not faults_of(tiny_reranker, tmp_path, SHARE)


@pytest.mark.slow
def test_every_damage(tiny_reranker: Path, tmp_path: Path) -> None:
    """All of them: 2,600 loads."""
    assert not faults_of(tiny_reranker, tmp_path, 1)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"num_hidden_layers": 10**6}, "num_hidden_layers = 1000000"),
        ("config.json", {"hidden_size": 10**9}, "hidden_size = 1000000000; no tensor of"),
        ("config.json", {"num_attention_heads": 0}, "num_attention_heads = 0"),
        ("config.json", {"id2label": {"0": "no", "1": "yes"}}, "id2label has 2 names; expected 1"),
        ("config.json", {"architectures": [1]}, "architectures.0 = 1"),
        ("config_sentence_transformers.json", {"activation_fn": "evil.Foo"}, "activation_fn = 'evil.Foo'"),
        ("config_sentence_transformers.json", {"activation_fn": "torch.nn.Nothing"}, "expected a class of torch.nn"),
        ("config_sentence_transformers.json", {"activation_fn": "torch.hub.load"}, "expected a class of torch.nn"),
        ("4_Dense/config.json", {"activation_function": "evil.Foo"}, "activation_function = 'evil.Foo'"),
        ("4_Dense/config.json", {"in_features": 10**9}, "in_features = 1000000000"),
        ("sentence_bert_config.json", {"query_length": -5}, "query_length = -5"),
    ],
)
def test_verify_and_export_say_it_too(
    tiny_reranker: Path, tmp_path: Path, file: str, changes: dict[str, object], message: str
) -> None:
    """Each in one line, before memory is allocated, and nothing is exported."""
    model = shutil.copytree(tiny_reranker, tmp_path / "model")
    edit(model / file, **changes)
    [check] = verify(model)
    assert not check.ok
    assert check.detail.startswith(f"{model / file}: ")
    assert message in check.detail
    with pytest.raises(ModelError, match=f"{file}: "):
        export(str(model), tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
    if "evil" in message:  # a caller who trusts it gets as far as its import
        with pytest.raises(ModelError, match="No module named 'evil'"):
            CrossEncoder(str(model), device="cpu", trust_remote_code=True)


def test_sound_models_of_others_load(teacher: Path) -> None:
    """The packaged model, and bi-encoders of the stock class, old and new."""
    for directory in packaged().values():
        assert CrossEncoder(str(directory), device="cpu").num_labels == 1
    assert load_teacher(str(teacher)).get_embedding_dimension() == 24
    assert load_teacher("all-minilm-l6-v2").get_embedding_dimension() == 384


def test_a_module_that_is_not_listed(tiny_reranker: Path, tmp_path: Path) -> None:
    """The stock class does without it; alternatives of a listed module, as some models have them, are allowed."""
    model = shutil.copytree(tiny_reranker, tmp_path / "model")
    shutil.copytree(model / "3_Dense", model / "3_Dense_64")
    assert CrossEncoder(str(model), device="cpu").num_labels == 1
    shutil.copytree(model / "3_Dense", model / "5_Dense")
    with pytest.raises(ModelError, match="modules.json: does not list 5_Dense"):
        CrossEncoder(str(model), device="cpu")


def test_a_cross_encoder_is_no_bi_encoder(tiny_reranker: Path, tiny_gemma: Path, tmp_path: Path) -> None:
    """The stock classes convert one into the other, with a log line."""
    with pytest.raises(ModelError, match="model_type = 'CrossEncoder'; expected 'SentenceTransformer'"):
        SentenceTransformer(str(tiny_reranker))
    encoder = save(sentence_transformer(tiny_gemma), tmp_path / "encoder")
    with pytest.raises(ModelError, match="model_type = 'SentenceTransformer'; expected 'CrossEncoder'"):
        CrossEncoder(str(encoder))


@pytest.fixture
def hub(tmp_path: Path) -> Callable[..., str]:
    """Put a directory into a cache of the hub, under a hub id; return the cache."""

    def put(name: str, directory: Path, *, without: str = "") -> str:
        folder, commit = tmp_path / "hub" / f"models--{name.replace('/', '--')}", "0" * 40
        shutil.copytree(directory, folder / "snapshots" / commit, ignore=shutil.ignore_patterns(without))
        (folder / "refs").mkdir()
        (folder / "refs/main").write_text(commit)
        return str(tmp_path / "hub")

    return put


def test_a_hub_id_is_checked_like_a_directory(
    hub: Callable[..., str], tiny_gemma: Path, tiny_reranker: Path, teacher: Path
) -> None:
    """Without a network, from the cache; a name without an owner gets that of the stock class."""
    cache = hub("owner/decoder", tiny_gemma)
    with pytest.raises(ModelError, match=r"config.json: a GemmaModel without a pooler and a head; build one with"):
        CrossEncoder("owner/decoder", cache_folder=cache)
    with pytest.raises(ModelError, match="a GemmaModel without a pooler and a head"):
        SentenceTransformer("owner/decoder", cache_folder=cache)
    hub("owner/reranker", tiny_reranker)
    expected = score(tiny_reranker)
    assert np.array_equal(CrossEncoder("owner/reranker", cache_folder=cache).predict(PAIRS), expected)
    hub("cross-encoder/tiny-reranker", tiny_reranker)
    assert np.array_equal(CrossEncoder("tiny-reranker", cache_folder=cache).predict(PAIRS), expected)
    hub("sentence-transformers/tiny", teacher)
    assert SentenceTransformer("tiny", cache_folder=cache).get_embedding_dimension() == 24
    with pytest.raises(ModelError, match="'absent': no such directory .*; model '.*absent' cannot be loaded: "):
        CrossEncoder("absent", cache_folder=cache)


@pytest.mark.parametrize("without", ["config_sentence_transformers.json", "tokenizer_config.json", "4_Dense"])
def test_a_partial_download_is_one_line(hub: Callable[..., str], tiny_reranker: Path, without: str) -> None:
    """The error names the file."""
    cache = hub("owner/reranker", tiny_reranker, without=without)
    with pytest.raises(ModelError, match=without) as error:
        CrossEncoder("owner/reranker", cache_folder=cache)
    assert "\n" not in str(error.value)


@pytest.fixture
def adapted(tiny_reranker: Path, tmp_path: Path) -> Path:
    """A model with an adapter, and its base beside it."""
    model = CrossEncoder(str(tiny_reranker), device="cpu")
    add_adapter(model, AdapterConfig(rank=2), tmp_path / "adapted/base")
    return save(model, tmp_path / "adapted")


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors: tensors.pop(KEY),
        dict.clear,
        lambda tensors: tensors.update({KEY: torch.ones(2, 3)}),
        lambda tensors: tensors[KEY].fill_(torch.nan),
    ],
)
def test_an_adapter_and_its_base_load_in_full_or_not_at_all(
    adapted: Path, tmp_path: Path, damage: Callable[[Tensors], object], capsys: pytest.CaptureFixture[str]
) -> None:
    """The libraries would draw the missing weights of the base at random."""
    assert merge(adapted, tmp_path / "sound").is_dir()
    tensors = load_file(adapted / "base/model.safetensors")
    damage(tensors)
    save_file(tensors, adapted / "base/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="model.safetensors"):
        CrossEncoder(str(adapted), device="cpu")
    assert main(["merge", str(adapted), str(tmp_path / "merged")]) == 2
    assert "model.safetensors" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "merged").exists()


def test_a_teacher_loads_in_full_or_not_at_all(teacher: Path, tmp_path: Path) -> None:
    """Its weights would be drawn at random, and the model trained towards noise."""
    copy = shutil.copytree(teacher, tmp_path / "teacher")
    tensors = load_file(copy / "model.safetensors")
    tensors.pop("encoder.layer.1.output.dense.weight")
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"model.safetensors does not load in full .* encoder.layer.1.*is missing"):
        load_teacher(str(copy))


def test_a_tokenizer_without_a_padding_token(decoder: Callable[..., Path], tmp_path: Path) -> None:
    """The end token pads, as Qwen's own code does; a longer batch scores like single pairs."""
    base = decoder("Qwen2Model")
    edit(base / "tokenizer_config.json", pad_token=None)
    model = cross_encoder(base)
    singles = np.concatenate([model.predict([pair]) for pair in PAIRS])
    assert np.allclose(model.predict(PAIRS), singles, atol=1e-6)
    saved = save(model, tmp_path / "saved")
    edit(saved / "tokenizer_config.json", pad_token=None)
    assert np.allclose(CrossEncoder(str(saved), device="cpu").predict(PAIRS), singles, atol=1e-6)


def test_a_padding_token_beyond_the_vocabulary(decoder: Callable[..., Path]) -> None:
    """It has no embedding: an index error of torch otherwise. A toy vocabulary lacks the token that Qwen pads with."""
    base = decoder("Qwen2Model")
    edit(base / "tokenizer_config.json", **{"pad_token": "<|endoftext|>"})
    model = cross_encoder(base)
    singles = np.concatenate([model.predict([pair]) for pair in PAIRS])
    assert np.allclose(model.predict(PAIRS), singles, atol=1e-6)
    edit(base / "tokenizer_config.json", **{"eos_token": "<|im_end|>"})
    with pytest.raises(ModelError, match="neither a padding nor an end token; .* one of the 1000 tokens"):
        cross_encoder(base)
