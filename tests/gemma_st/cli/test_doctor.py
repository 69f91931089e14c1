"""Tests of gemma_st.checks and gemma-st doctor."""

import io
import shutil
from pathlib import Path

import pytest

from gemma_st import names
from gemma_st.checks import Check, package, write_report
from gemma_st.cli import doctor


def test_the_packages_of_the_test_environment_are_found() -> None:
    """The report states their versions."""
    found = {check.name: check for check in doctor._machine_checks()}
    assert {"python", "torch", "transformers", "sentence_transformers", "datasets"} <= set(found)
    assert all(check.ok for check in found.values())
    import torch
    import transformers

    assert found["transformers"].detail == transformers.__version__
    assert found["torch"].detail.startswith(torch.__version__.partition("+")[0])
    assert "parameters, bidirectional" in found["gemma-encoder-msmarco"].detail


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    """A missing optional package is no failure."""
    needed = package("no_such_module", "the decoders")
    assert needed == Check("no_such_module", False, "missing (required: the decoders)", "pip install 'gemma-encoder'")
    wanted = package("no_such_module", "LoRA", extra="train")
    assert wanted == Check("no_such_module", True, "missing (optional: LoRA)", "pip install 'gemma-encoder[train]'")


def test_the_report_has_a_line_for_each_check_and_an_exit_code() -> None:
    """Each remedy has a line, too."""
    fine = Check("python", True, "3.11")
    optional, missing = package("no_such_module", "LoRA", extra="train"), package("no_such_module", "the decoders")
    stream = io.StringIO()
    assert write_report([fine, optional], stream) == 0
    assert stream.getvalue() == (
        "ok      python: 3.11\n"
        "ok      no_such_module: missing (optional: LoRA)\n"
        "        add it: pip install 'gemma-encoder[train]'\n"
    )
    stream = io.StringIO()
    assert write_report([fine, missing], stream) == 1
    assert stream.getvalue().splitlines()[1:] == [
        "MISSING no_such_module: missing (required: the decoders)",
        "        mend it: pip install 'gemma-encoder'",
    ]


def test_a_damaged_packaged_model_and_an_absent_one_are_missing(
    tiny_reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is to reinstall the package."""
    broken = Path(shutil.copytree(tiny_reranker, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"cut")
    monkeypatch.setattr(names, "packaged", lambda: {str(broken): broken})
    [check] = doctor._packaged_models()
    assert not check.ok
    assert "cannot be loaded" in check.detail
    assert "--force-reinstall" in check.remedy
    monkeypatch.setattr(names, "packaged", dict)
    [check] = doctor._packaged_models()
    assert not check.ok
