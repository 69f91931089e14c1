"""Tests of gemma_st.cross_encoder: names, exact scores, fingerprints."""

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing

from gemma_st import CrossEncoder, ModelError
from gemma_st.build import cross_encoder
from gemma_st.hub.saving import save
from gemma_st.names import packaged
from tests.gemma_st.conftest import LICENSE, PAIRS, make_deaf


@pytest.fixture(scope="module")
def model(tiny_reranker: Path) -> CrossEncoder:
    """The small reranker, loaded once."""
    return CrossEncoder(str(tiny_reranker), device="cpu")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    """Pairs of all lengths, one of them twice."""
    paragraphs = [" ".join(text.split()) for text in LICENSE.read_text().split("\n\n") if text.strip()][:40]
    assert len(paragraphs) > 30
    return [("what is a license", text) for text in [*paragraphs, paragraphs[0]]]


def test_predict_returns_one_float32_score_a_pair(model: CrossEncoder, pairs: list[tuple[str, str]]) -> None:
    """The scores are a numpy array."""
    scores = model.predict(pairs)
    assert (type(scores), scores.dtype, scores.shape) == (np.ndarray, np.float32, (len(pairs),))


def test_no_pairs_are_an_empty_float32_array(model: CrossEncoder) -> None:
    """The stock class returns float64."""
    scores = model.predict([])
    assert (scores.dtype, scores.shape) == (np.float32, (0,))
    assert isinstance(model.predict([], convert_to_tensor=True), torch.Tensor)


def test_a_single_pair_is_one_score(model: CrossEncoder) -> None:
    """The result is a number; a list of two texts is a pair too."""
    score = model.predict(PAIRS[0])
    assert np.ndim(score) == 0
    assert score == pytest.approx(model.predict(PAIRS)[0], abs=1e-5)
    assert model.predict(list(PAIRS[0])) == score


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_batch_size_changes_no_score(model: CrossEncoder, pairs: list[tuple[str, str]], size: int) -> None:
    """The tolerance is 1e-5."""
    assert np.allclose(model.predict(pairs, batch_size=size), model.predict(pairs), atol=1e-5)


def test_the_order_and_place_change_no_score(model: CrossEncoder, pairs: list[tuple[str, str]]) -> None:
    """The same pair gets the same score twice."""
    scores, order = model.predict(pairs), np.random.default_rng(0).permutation(len(pairs))
    assert np.allclose(model.predict([pairs[i] for i in order]), scores[order], atol=1e-5)
    assert scores[0] == pytest.approx(scores[-1], abs=1e-5)


def test_the_padding_side_changes_no_score(
    model: CrossEncoder, tiny_reranker: Path, pairs: list[tuple[str, str]]
) -> None:
    """The positions of the tokens shift with the padding."""
    left = CrossEncoder(str(tiny_reranker), device="cpu", processor_kwargs={"padding_side": "left"})
    assert left.tokenizer.padding_side == "left"
    assert np.allclose(left.predict(pairs), model.predict(pairs), atol=1e-5)


def test_options_of_the_stock_class_are_passed_on(tiny_reranker: Path) -> None:
    """Its other methods work."""
    model = CrossEncoder(str(tiny_reranker), device="cpu", max_length=16, activation_fn=torch.nn.Sigmoid())
    assert model.max_seq_length == 16
    assert ((scores := model.predict(PAIRS)) > 0).all()
    assert (scores < 1).all()
    assert [hit["corpus_id"] for hit in model.rank("a", ["b", "c"], top_k=1)] in ([0], [1])


def test_each_packaged_model_is_known_by_its_name() -> None:
    """The name and the directory give the same model."""
    for name, directory in packaged().items():
        model = CrossEncoder(name, device="cpu")
        assert model.fingerprint() == CrossEncoder(str(directory), device="cpu").fingerprint()
        assert np.isfinite(model.predict(PAIRS)).all()


@pytest.mark.parametrize("name", ["nothing", "", "a/b/c", "./absent", "../absent/model", "~/model"])
def test_a_name_of_nothing_is_one_line(name: str) -> None:
    """The hub is not asked for such names."""
    with pytest.raises(ModelError, match="no such directory or packaged model; expected a directory") as error:
        CrossEncoder(name)
    assert "\n" not in str(error.value)


def test_a_hub_id_that_is_not_to_be_had_is_one_line() -> None:
    """The error contains the reason."""
    with pytest.raises(ModelError, match="^model 'nobody/nothing' cannot be loaded: We couldn't connect") as error:
        CrossEncoder("nobody/nothing")
    assert "\n" not in str(error.value)


def test_neither_name_nor_modules_is_one_line() -> None:
    """One of the two is required."""
    with pytest.raises(ModelError, match="either a name or modules"):
        CrossEncoder()


@pytest.mark.parametrize("family", ["GemmaModel", "GemmaForCausalLM"])
def test_a_bare_decoder_is_refused(decoder: Callable[..., Path], family: str) -> None:
    """Field notes: the stock class adds a random head, or compares the logits of yes and no."""
    with pytest.raises(ModelError, match=f"a {family} without a pooler and a head; build one"):
        CrossEncoder(str(decoder(family)))


def test_a_damaged_model_is_one_line(tiny_reranker: Path, tmp_path: Path) -> None:
    """An empty directory is an error of one line too."""
    broken = Path(shutil.copytree(tiny_reranker, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="cannot be loaded: Error while deserializing") as error:
        CrossEncoder(str(broken))
    assert "\n" not in str(error.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match="cannot be loaded: Unrecognized model"):
        CrossEncoder(str(empty))


def test_a_saved_model_that_runs_causally_here_is_refused(tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformers that does not know ``is_causal`` would run a bidirectional model causally without a warning."""
    make_deaf(monkeypatch)
    with pytest.raises(ModelError, match="is causal in layer 0"):
        CrossEncoder(str(tiny_reranker), device="cpu", model_kwargs={"attn_implementation": "eager"})


def test_a_model_saved_with_the_broken_flag_is_refused(tiny_reranker: Path, tmp_path: Path) -> None:
    """Field notes: with ``use_bidirectional_attention`` on Gemma, a padded batch is causal."""
    copy = Path(shutil.copytree(tiny_reranker, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    del config["is_causal"]
    (copy / "config.json").write_text(json.dumps(config | {"use_bidirectional_attention": True}))
    with pytest.raises(ModelError, match="is causal in layer 0 for a padded batch"):
        CrossEncoder(str(copy), device="cpu")


class TestFingerprint:
    """The fingerprint depends on the content of the model and on nothing else."""

    def test_is_equal_for_the_same_content_elsewhere(self, tiny_reranker: Path, tmp_path: Path) -> None:
        """The path does not matter."""
        copy = shutil.copytree(tiny_reranker, tmp_path / "another name")
        one, other = (CrossEncoder(str(path), device="cpu") for path in (tiny_reranker, copy))
        assert one.fingerprint() == other.fingerprint()
        assert len(one.fingerprint()) == 64

    @pytest.mark.parametrize("pooler", ["mean", "last"])
    def test_is_that_of_the_saved_copy(self, tiny_gemma: Path, tmp_path: Path, pooler: str) -> None:
        """Earlier predictions do not matter."""
        built = cross_encoder(tiny_gemma, pooler=pooler)
        before = built.fingerprint()
        built.predict(PAIRS)
        assert built.fingerprint() == before  # the tokenizer remembers how it padded the last batch
        built[0].model.set_attn_implementation("eager")  # as training does
        assert CrossEncoder(str(save(built, tmp_path / "saved"))).fingerprint() == before

    def test_does_not_depend_on_the_versions_that_wrote_it(
        self, tiny_reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The versions in the saved files do not affect a score."""
        copy = Path(shutil.copytree(tiny_reranker, tmp_path / "copy"))
        for name, keys in (
            ("config.json", "transformers_version"),
            ("config_sentence_transformers.json", "__version__"),
        ):
            content = json.loads((copy / name).read_text())
            assert content.pop(keys)
            (copy / name).write_text(json.dumps(content))
        before = CrossEncoder(str(tiny_reranker)).fingerprint()
        monkeypatch.setattr("transformers.configuration_utils.__version__", "99.0")
        assert CrossEncoder(str(copy)).fingerprint() == before

    @pytest.mark.parametrize("library", ["gemma-encoder", "torch", "transformers", "sentence-transformers"])
    def test_changes_with_the_version_of_what_computes(
        self, tiny_reranker: Path, library: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Other versions may score differently, as version 0.1 of this package did with windows."""
        model = CrossEncoder(str(tiny_reranker))
        before = model.fingerprint()
        monkeypatch.setattr("gemma_st.base.version", lambda name: "99" if name == library else version(name))
        assert model.fingerprint() != before

    def test_changes_with_every_tensor(self, tiny_reranker: Path) -> None:
        """The last element of each tensor is changed."""
        model = CrossEncoder(str(tiny_reranker), device="cpu")
        seen = {model.fingerprint()}
        for tensor in model.state_dict().values():
            tensor.view(-1)[-1] += 1
            seen.add(model.fingerprint())
        assert len(seen) == len(model.state_dict()) + 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda model: setattr(model, "max_seq_length", 64),
            lambda model: setattr(model, "stride", 64),
            lambda model: setattr(model, "activation_fn", torch.nn.Sigmoid()),
            lambda model: setattr(model, "prompts", {"query": "find: "}),
            lambda model: setattr(model, "default_prompt_name", "query"),
            lambda model: setattr(model.tokenizer, "padding_side", "left"),
            lambda model: model.tokenizer.add_tokens(["<new>"]),
            lambda model: setattr(model.tokenizer.backend_tokenizer, "post_processor", template("<bos> $A $B <eos>")),
            lambda model: setattr(model.config, "is_causal", True),
            lambda model: setattr(model.config, "rms_norm_eps", 1e-3),
            lambda model: setattr(model[1], "pooling_mode", "cls"),
            lambda model: setattr(model[0], "query_length", 5),
            lambda model: setattr(model[0], "document_length", 5),
            lambda model: model.half(),
        ],
    )
    def test_changes_with_all_that_decides_a_score(
        self, tiny_reranker: Path, change: Callable[[CrossEncoder], object]
    ) -> None:
        """Settings and the tokenizer count as well as the weights."""
        model = CrossEncoder(str(tiny_reranker), device="cpu")
        before = model.fingerprint()
        change(model)
        assert model.fingerprint() != before


def template(pair: str) -> TemplateProcessing:
    """Return another template for pairs."""
    return TemplateProcessing(single="$A", pair=pair, special_tokens=[("<bos>", 2), ("<eos>", 1)])
