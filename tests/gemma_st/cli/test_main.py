"""Tests of gemma_st.cli: the commands start quickly, and an error is one line."""

import subprocess
import sys
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

import pytest

from gemma_st.cli import COMMANDS, main
from gemma_st.cli.glue import PLACES
from gemma_st.modeling.dropout import DropoutRates

LIGHT = """
import sys
import gemma_st, gemma_st.cli
dir(gemma_st), gemma_st.ModelError
try:
    gemma_st.cli.main(sys.argv[1:])
except SystemExit:
    pass
print(sorted({"torch", "transformers", "sentence_transformers", "numpy", "pydantic", "matplotlib"} & set(sys.modules)))
"""


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS), []], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Neither does the package, so that the command starts at once."""
    command = [sys.executable, "-c", LIGHT, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert "usage: gemma-st" in ran.stdout + ran.stderr


def test_the_public_names_are_there_and_others_are_not() -> None:
    """They are imported when they are first used."""
    import gemma_st

    assert {"CrossEncoder", "ModelError", "SentenceTransformer", "verify_bidirectional"} <= set(dir(gemma_st))
    assert all(callable(getattr(gemma_st, name)) for name in dir(gemma_st))
    with pytest.raises(AttributeError, match="'gemma_st' has no attribute 'Nothing'; it has .*CrossEncoder, "):
        attrgetter("Nothing")(gemma_st)


def test_export_writes_a_model(tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output states where, and how to check the model."""
    assert main(["export", str(tiny_reranker), str(tmp_path / "exported")]) == 0
    target = tmp_path / "exported"
    assert capsys.readouterr().out == f"model written to {target}; check it with: gemma-st verify {target}\n"
    assert (target / "modules.json").is_file()


def test_verify_prints_a_line_for_each_check(
    tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the card fails, because not all facts were given; the exit code is 1."""
    target = str(tmp_path / "exported")
    assert main(["export", str(tiny_reranker), target, "--license", "gemma", "--data", "nq-qed"]) == 0
    capsys.readouterr()
    assert main(["verify", target]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split(":")[0].split(maxsplit=1)[0] for line in lines] == ["ok"] * 7 + ["MISSING"]
    assert lines[-1] == "MISSING card: lacks base_model, measured"


def test_doctor_prints_a_line_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0, because the test environment has all parts."""
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok      python: ")
    assert any(line.startswith("ok      gemma-encoder-msmarco: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "nothing", "new"], "gemma-st: error: model 'nothing': no such directory or packaged model"),
        (["export", "owner/model", "new"], "gemma-st: error: model 'owner/model': no modules.json"),
        (["export", "gemma-encoder-msmarco", "."], "exists already; expected a new or empty directory"),
        (["export", "gemma-encoder-msmarco", "file/below"], "file/below: the model cannot be written (File exists: "),
        (["train", "absent.toml"], "gemma-st: error: absent.toml: not a readable TOML file"),
        (["train", "file"], "gemma-st: error: file: not a readable TOML file"),
        (["train", "empty.toml"], "gemma-st: error: empty.toml: missing lists, loss, output, trainer; add them"),
        (["train", "stage.toml"], "gemma-st: error: stage.toml: absent.jsonl: cannot be read"),
        (["train", "trainer.toml"], "gemma-st: error: trainer.toml: [trainer] "),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is no traceback."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("not = = toml")
    Path("empty.toml").touch()
    stage = 'output = "out"\nlists = ["absent.jsonl"]\nmodel = {base = "b"}\nloss = {name = "softmax"}\n'
    Path("stage.toml").write_text(stage + "[trainer]\nuse_cpu = true")
    Path("trainer.toml").write_text(stage + "[trainer]\nno_such_option = 1")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not Path("new").exists()


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["export", "one"], ["train"]])
def test_wrong_usage_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage is printed."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: gemma-st" in capsys.readouterr().err


def test_glue_names_every_place_of_dropout() -> None:
    """The command does not import DropoutRates for its help, so it repeats the names of the fields."""
    assert tuple(field.name for field in fields(DropoutRates)) == PLACES
