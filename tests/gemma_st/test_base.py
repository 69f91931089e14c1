"""Tests of gemma_st.base: loading our poolers in our classes and in the stock classes, each in a new process."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch

import gemma_st
from gemma_st import CrossEncoder, ModelError, SentenceTransformer
from gemma_st.base import OWN_MODULES
from gemma_st.build import cross_encoder, sentence_transformer
from gemma_st.hub.saving import open_model, save
from tests.gemma_st.conftest import PAIRS, make_deaf

LOAD = """
import json, sys
module, path, options, pairs = json.loads(sys.argv[1])
from importlib import import_module
model = import_module(module).CrossEncoder(path, device="cpu", **options)
print(json.dumps([model.predict([tuple(pair) for pair in pairs]).tolist(), [type(part).__module__ for part in model]]))
"""
OWN = [
    {"name": "first", "k": 3},
    {"name": "last", "k": 2},
    {"name": "query-probe", "heads": 4, "probes": 2},
    {"name": "kv-probe", "heads": 4, "probes": 8},
]


def load(module: str, path: Path, **options: object) -> "subprocess.CompletedProcess[str]":
    """Load a model in a new process and score ``PAIRS``."""
    task = json.dumps([module, str(path), options, PAIRS])
    return subprocess.run([sys.executable, "-c", LOAD, task], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def own(tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """The folder of a saved model with one of our poolers, and its scores."""
    torch.manual_seed(0)
    model = cross_encoder(tiny_gemma, pooler=OWN[2])
    return save(model, tmp_path_factory.mktemp("own") / "model"), model.predict(PAIRS).tolist()


def test_our_class_loads_our_poolers_without_a_flag(own: tuple[Path, list[float]]) -> None:
    """The list OWN_MODULES allows them."""
    ran = load("gemma_st", own[0])
    assert ran.returncode == 0, ran.stderr[-2000:]
    scores, modules = json.loads(ran.stdout)
    assert scores == pytest.approx(own[1], abs=1e-6)
    assert modules[1] == "gemma_st.modeling.pooling"


def test_the_stock_class_loads_our_poolers_with_the_flag(own: tuple[Path, list[float]]) -> None:
    """This package must be installed for it."""
    ran = load("sentence_transformers", own[0], trust_remote_code=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout)[0] == pytest.approx(own[1], abs=1e-6)


def test_the_stock_class_says_what_our_poolers_need(own: tuple[Path, list[float]]) -> None:
    """The error names the flag."""
    ran = load("sentence_transformers", own[0])
    assert ran.returncode != 0
    assert "gemma_st.modeling.pooling.AttentionPooling" in ran.stderr
    assert "trust_remote_code=True" in ran.stderr


@pytest.mark.parametrize("pooler", OWN, ids=lambda pooler: str(pooler["name"]))
def test_each_pooler_of_ours_is_saved_and_loaded(tiny_gemma: Path, tmp_path: Path, pooler: dict[str, Any]) -> None:
    """The options and the scores are exactly the same."""
    torch.manual_seed(0)
    model = cross_encoder(tiny_gemma, pooler=pooler)
    again = open_model(save(model, tmp_path / "saved"), device="cpu")
    assert again[1].get_config_dict() == model[1].get_config_dict()
    assert np.array_equal(again.predict(PAIRS), model.predict(PAIRS))


def test_the_list_is_read_by_the_stock_loader(own: tuple[Path, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    """We use a private attribute, which a later sentence-transformers may rename."""
    monkeypatch.setattr(CrossEncoder, "_module_classes", {})
    with pytest.raises(ModelError, match="trust_remote_code=True"):
        CrossEncoder(str(own[0]), device="cpu")


@pytest.mark.parametrize(
    "name", ["gemma_st.modeling.pooling.nothing", "subprocess.Popen", "gemma_st.modeling.pooling.Pooling"]
)
def test_no_other_class_is_loaded(own: tuple[Path, list[float]], tmp_path: Path, name: str) -> None:
    """This includes other classes of this package."""
    save(open_model(own[0]), tmp_path / "model")
    path = tmp_path / "model" / "modules.json"
    path.write_text(path.read_text().replace("gemma_st.modeling.pooling.AttentionPooling", name))
    with pytest.raises(ModelError, match=re.escape("trust_remote_code=True")):
        open_model(tmp_path / "model")


def test_an_old_version_fails_loudly(tiny_reranker: Path, tmp_path: Path) -> None:
    """This includes the stock class, which would score with a causal mask."""
    save(open_model(tiny_reranker), tmp_path / "model")
    path = tmp_path / "model" / "config_sentence_transformers.json"
    config = json.loads(path.read_text())
    assert config["requirements"]["transformers"]["specifier"] == ">=5.2"
    assert "gemma-encoder" not in config["requirements"]
    config["requirements"]["transformers"]["specifier"] = ">=99"
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"requires: - transformers>=99, but transformers==.* causal mask"):
        open_model(tmp_path / "model")
    ran = load("sentence_transformers", tmp_path / "model")
    assert ran.returncode != 0
    assert "An older one ignores is_causal and scores with a causal mask." in ran.stderr


def test_our_poolers_name_this_package_as_a_requirement(own: tuple[Path, list[float]]) -> None:
    """So the error of the stock class names the package to install."""
    config = json.loads((own[0] / "config_sentence_transformers.json").read_text())
    assert config["requirements"]["gemma-encoder"]["specifier"].startswith(">=")
    folders = ("gemma_st.modeling.pooling", "gemma_st.pooling")  # the second is where version 0.2 had them
    names = ("AttentionPooling", "FirstK", "LastK")
    assert set(OWN_MODULES) == {f"{folder}.{name}" for folder in folders for name in names}


def test_a_text_of_nothing_but_padding_is_refused_after_loading_too(tiny_reranker: Path) -> None:
    """Stock pooling would return zeros, which have a score."""
    model = open_model(tiny_reranker)
    features = model.preprocess(PAIRS)
    features["attention_mask"][1] = 0
    with pytest.raises(ModelError, match="row 1 of the batch has no token to pool"):
        model(features)


class TestBiEncoder:
    """The same backbone and poolers with one vector per text."""

    @pytest.mark.parametrize("pooler", ["mean", *OWN], ids=str)
    def test_is_saved_and_loaded(self, tiny_gemma: Path, tmp_path: Path, pooler: str | dict[str, Any]) -> None:
        """Its class, its prompts and its vectors of length 1 are kept."""
        torch.manual_seed(0)
        model = sentence_transformer(tiny_gemma, pooler=pooler)
        again = open_model(save(model, tmp_path / "saved"), device="cpu")
        assert isinstance(again, SentenceTransformer)
        assert again.prompts == {"query": "Query: ", "document": "Document: "}
        texts = ["what is a license", "a permission"]
        assert np.array_equal(again.encode_query(texts), model.encode_query(texts))
        assert np.linalg.norm(again.encode_document(texts), axis=1) == pytest.approx(1, abs=1e-6)

    def test_query_and_document_have_prompts_of_their_own(self, tiny_gemma: Path) -> None:
        """The prompts change the vectors."""
        model = sentence_transformer(tiny_gemma, prompts={"query": "find: ", "document": ""})
        assert np.allclose(model.encode_query("a b"), model.encode("find: a b"), atol=1e-6)
        assert np.allclose(model.encode_document("a b"), model.encode("a b"), atol=1e-6)
        assert np.abs(model.encode_query("a b") - model.encode_document("a b")).max() > 1e-4

    def test_a_prompt_can_be_left_out_of_the_vector(self, tiny_gemma: Path) -> None:
        """The tokens of the prompt are attended to and not pooled, for both padding sides."""
        texts = ["a b", "a longer text of license"]
        vectors = {}
        for side in ("left", "right"):
            torch.manual_seed(0)
            pooler = {"name": "mean", "include_prompt": False}
            vectors[side] = sentence_transformer(tiny_gemma, pooler=pooler, padding_side=side).encode_query(texts)
        assert np.allclose(vectors["left"], vectors["right"], atol=1e-5)
        assert np.abs(vectors["left"] - sentence_transformer(tiny_gemma).encode_query(texts)).max() > 1e-3

    @pytest.mark.parametrize("pooler", ["mean", OWN[0], OWN[3]], ids=str)
    def test_whether_prompts_are_pooled_can_be_set_later(self, tiny_gemma: Path, pooler: str | dict[str, Any]) -> None:
        """The stock method skips our poolers."""
        torch.manual_seed(0)
        model = sentence_transformer(tiny_gemma, pooler=pooler)
        before = model.encode_query("a license")
        model.set_pooling_include_prompt(False)
        assert np.abs(model.encode_query("a license") - before).max() > 1e-4

    def test_stock_losses_train_it(self, tiny_gemma: Path) -> None:
        """A contrastive loss decreases, and every parameter has a gradient."""
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

        torch.manual_seed(0)
        model = sentence_transformer(tiny_gemma, pooler={"name": "query-probe", "heads": 4})
        loss = MultipleNegativesRankingLoss(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        sides = [list(side) for side in zip(*PAIRS, strict=True)]
        seen = []
        for _ in range(8):
            value = loss([model.preprocess(side) for side in sides], torch.tensor([]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            seen.append(value.item())
        assert seen[-1] < seen[0] / 2
        assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in model.parameters())

    def test_a_bare_decoder_is_refused(self, tiny_gemma: Path) -> None:
        """The stock class would pool a causal decoder."""
        with pytest.raises(ModelError, match="build one with gemma_st.build.sentence_transformer"):
            SentenceTransformer(str(tiny_gemma))

    def test_one_that_runs_causally_here_is_refused(
        self, tiny_gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The mask check runs as in a cross-encoder."""
        path = save(sentence_transformer(tiny_gemma), tmp_path / "saved")
        make_deaf(monkeypatch)
        with pytest.raises(ModelError, match="is causal in layer 0"):
            SentenceTransformer(str(path), model_kwargs={"attn_implementation": "eager"})


def test_a_model_of_another_kind_is_one_line(tmp_path: Path) -> None:
    """A folder without a model is an error of one line too."""
    with pytest.raises(ModelError, match="config_sentence_transformers.json: not readable as JSON"):
        open_model(tmp_path)
    (tmp_path / "config_sentence_transformers.json").write_text('{"model_type": "SparseEncoder"}')
    with pytest.raises(ModelError, match="model_type='SparseEncoder'; expected one of CrossEncoder, SentenceTransf"):
        open_model(tmp_path)


def parameters(method: object) -> list[tuple[str, object, object]]:
    """Return the name, kind and default of each parameter but ``self``."""
    return [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()][1:]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("CrossEncoder", "__init__"),
        ("CrossEncoder", "predict"),
        ("CrossEncoder", "rank"),
        ("SentenceTransformer", "__init__"),
    ],
)
def test_the_signature_is_that_of_the_stock_class(name: str, method: str) -> None:
    """Every argument has the same name, place and default."""
    ours, stock = (getattr(getattr(package, name), method) for package in (gemma_st, sentence_transformers))
    assert sorted(parameters(ours), key=str) == sorted(parameters(stock), key=str)
    by_position = [(name, kind, default) for name, kind, default in parameters(stock) if kind != kind.KEYWORD_ONLY]
    assert [each for each in parameters(ours) if each[1] != each[1].KEYWORD_ONLY] == by_position


def test_the_model_and_the_arguments_may_be_given_by_name(
    tiny_reranker: Path, tmp_path: Path, tiny_gemma: Path
) -> None:
    """The current names and the old names of the stock classes are accepted."""
    path = str(tiny_reranker)
    for model in (
        CrossEncoder(model_name_or_path=path, max_length=40),
        CrossEncoder(name=path, tokenizer_kwargs={"model_max_length": 40}),
        CrossEncoder(model_name=path, processor_kwargs={"model_max_length": 40}),
        CrossEncoder(path, 1, 40),
    ):
        assert (model.num_labels, model.max_seq_length) == (1, 40)
    texts = [document for _, document in PAIRS]
    expected = model.predict(PAIRS, activation_fn=torch.nn.Sigmoid())
    assert np.array_equal(model.predict(sentences=PAIRS, activation_fct=torch.nn.Sigmoid(), num_workers=0), expected)
    assert model.rank("what", texts, 2, True, activation_fct=torch.nn.Sigmoid())[0]["score"] < 1
    folder = save(sentence_transformer(tiny_gemma), tmp_path / "saved")
    bi_encoder = SentenceTransformer(model_name_or_path=str(folder), truncate_dim=8, similarity_fn_name="dot")
    assert bi_encoder.encode(texts).shape == (3, 8)
    assert bi_encoder.similarity_fn_name == "dot"
    assert SentenceTransformer(name=str(folder)).prompts == bi_encoder.prompts


def test_predict_takes_the_arguments_of_the_stock_class_by_position(tiny_reranker: Path) -> None:
    """The type of the result depends on the flags, for pairs and single texts."""
    ours, stock = CrossEncoder(str(tiny_reranker)), sentence_transformers.CrossEncoder(str(tiny_reranker))
    given = (None, "find: ", 2, False, torch.nn.Sigmoid(), False)
    assert np.array_equal(ours.predict(PAIRS, *given), stock.predict(PAIRS, *given))
    assert ours.predict(PAIRS, *given, True, True).equal(stock.predict(PAIRS, *given, True, True))
    scores = ours.predict(PAIRS, convert_to_numpy=False)
    assert [type(score) for score in scores] == [torch.Tensor] * 3
    texts = [document for _, document in PAIRS]
    assert isinstance(ours.predict_texts(texts, convert_to_tensor=True), torch.Tensor)
    assert isinstance(ours.predict_texts(texts, convert_to_numpy=False), list)
    assert np.array_equal(ours.predict_texts(texts, prompt="find: ", batch_size=1, max_length=20).shape, (3,))
    assert ours.truncation.documents > 0
