"""Tests of gemma_st.glue.benchmark and of the command: models learn, and interrupted trainings resume."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gemma_st import CrossEncoder, ModelError
from gemma_st.cli import main
from gemma_st.glue.benchmark import run
from gemma_st.glue.config import GlueConfig
from gemma_st.glue.datasets import load
from gemma_st.glue.finetune import fine_tune, score
from gemma_st.glue.task_model import build
from gemma_st.glue.tasks import TASKS
from gemma_st.modeling.dropout import DropoutRates
from gemma_st.training.checkpoints import LOSS_FILENAME, LossCheckpoint
from tests.gemma_st.training.conftest import KILLED, same, weights

# The embeddings are random: they must be learned, although they outnumber the weights of the layers.
FAST: dict[str, Any] = {"max_length": 64, "learning_rate": 3e-3, "epochs": 4, "batch_size": 8}
FAST["freeze_embeddings"] = False


def run_tasks(source: str, output: Path, config: GlueConfig, *names: str, seeds: int = 1) -> dict[str, Any]:
    """Run tasks by their names, and return the results."""
    tasks = [TASKS[name] for name in names]
    return run(tasks, range(seeds), config, source=source, output=output, command="gemma-st glue …")


def test_a_tiny_gemma_learns_what_can_be_told_apart(
    files: Callable[..., str], tiny_gemma: Path, tmp_path: Path
) -> None:
    """Single texts, pairs, choices and grades are learned; models, cards, submissions and tables are written."""
    source, out = files("cola", "cb", "copa", "sts-b", count=48), tmp_path / "out"
    results = run_tasks(source, out, GlueConfig(base=str(tiny_gemma), **FAST), "cola", "cb", "copa", "sts-b")
    found = {row["title"]: row["metrics"] for row in results["rows"]}
    assert found["CoLA"] == {"matthews": [1.0]}
    assert found["CB"] == {"accuracy": [1.0], "macro-f1": [1.0]}
    assert found["COPA"] == {"accuracy": [1.0]}
    assert found["STS-B"]["pearson"][0] > 0.5  # three words for six grades
    assert {row["title"]: row["baseline"] for row in results["rows"]}["CB"]["accuracy"] == pytest.approx(1 / 3)
    assert json.loads((out / "results.json").read_text()) == results
    _check_submissions(out / "submissions")
    for row in results["rows"]:
        folder = out / row["model"]
        card = (folder / "README.md").read_text()
        assert f"| {row['title']} dev | {next(iter(row['metrics']))} |" in card
        assert "| learning_rate | 0.003 |" in card
        task = TASKS[row["task"]]
        data = load(task, source)
        assert np.isfinite(score(CrossEncoder(str(folder)), data.dev[""])).all()
    names = ["unacceptable", "acceptable"]
    assert CrossEncoder(str(out / results["rows"][0]["model"])).label_names == names


def _check_submissions(folder: Path) -> None:
    """Every example of these test sets is predicted correctly; their numbers begin at 7."""
    assert {path.name for path in folder.iterdir()} == {"CoLA.tsv", "CB.jsonl", "COPA.jsonl", "STS-B.tsv"}
    rows = "".join(f"{n + 7}\t{n % 2}\n" for n in range(48))
    assert (folder / "CoLA.tsv").read_text() == f"index\tprediction\n{rows}"
    names = ("entailment", "contradiction", "neutral")
    rows = "".join(f'{{"idx": {n + 7}, "label": "{names[n % 3]}"}}\n' for n in range(48))
    assert (folder / "CB.jsonl").read_text() == rows
    assert (folder / "COPA.jsonl").read_text() == "".join(f'{{"idx": {n + 7}, "label": {n % 2}}}\n' for n in range(48))
    grades = [float(line.split("\t")[1]) for line in (folder / "STS-B.tsv").read_text().splitlines()[1:]]
    assert 0 <= min(grades) < max(grades) <= 5


def command(source: str, output: Path, base: Path, *more: str) -> list[str]:
    """Return the arguments of a command that trains on RTE with two steps per epoch."""
    fast = (
        "--max-length 48 --learning-rate 3e-3 --epochs 3 --batch-size 8 --dropout 0.1 head=0.2 --probe "
        "--relative-rates --freeze-embeddings false"
    )
    more = (*fast.split(), *more)
    return ["glue", str(base), "--task", "rte", "--data", source, "--out", str(output), *more]


def test_a_seed_killed_while_saving_goes_on_to_the_same_weights(
    files: Callable[..., str], tiny_gemma: Path, tmp_path: Path
) -> None:
    """The random state of dropout and the order of mini-batches are restored; a finished seed is not trained again."""
    source = files("rte", count=16)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(source, whole, tiny_gemma)) == 0
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, *command(source, killed, tiny_gemma)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()[-2000:]
    (cell,) = killed.glob("rte-*/seed-0")
    assert (cell / f"checkpoint-2/{LOSS_FILENAME}").exists()
    assert not (cell / f"checkpoint-4/{LOSS_FILENAME}").exists()
    assert not (killed / "results.json").exists()
    assert main(command(source, killed, tiny_gemma)) == 0
    one, other = (json.loads((out / "results.json").read_text())["rows"] for out in (whole, killed))
    assert one[0]["metrics"] == other[0]["metrics"]
    assert same(*(weights(out / rows[0]["model"]) for out, rows in ((whole, one), (killed, other))))
    assert not cell.exists()
    done = {path: path.stat().st_mtime_ns for path in killed.glob("rte-*/seed-0.json")}
    assert main(command(source, killed, tiny_gemma, "--seeds", "2")) == 0
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())
    assert len(list(killed.glob("rte-*/seed-*.json"))) == 2


def test_the_best_seeds_model_is_kept(files: Callable[..., str], tiny_gemma: Path, tmp_path: Path) -> None:
    """The saved model reproduces the reported dev score of its seed and the submitted predictions."""
    source = files("rte", count=24)
    config = GlueConfig(base=str(tiny_gemma), **FAST | {"epochs": 1, "learning_rate": 1e-3})
    (row,) = run_tasks(source, tmp_path / "out", config, "rte", seeds=3)["rows"]
    found = row["metrics"]["accuracy"]
    assert row["model_seed"] == found.index(max(found))
    model, data = CrossEncoder(str(tmp_path / "out" / row["model"])), load(TASKS["rte"], source)
    said = score(model, data.dev[""]).argmax(1)
    assert float((said == data.dev[""].labels).mean()) == max(found)
    submitted = (tmp_path / "out/submissions/RTE.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[1] for line in submitted] == model.labels(score(model, data.test[""]))
    mean, deviation = 100 * np.mean(found), 100 * np.std(found, ddof=1)
    line = f"| RTE | dev | 24 | accuracy | {mean:.1f} ± {deviation:.1f} | 50.0 | 3 | 24 |"
    assert line in (tmp_path / "out/results.md").read_text()


def test_another_configuration_never_goes_on_from_this_one(
    files: Callable[..., str], tiny_gemma: Path, tmp_path: Path
) -> None:
    """The key changes with a setting, the base's weights or an example; it does not change with the base's path."""
    source, task = files("rte"), TASKS["rte"]
    config, data = GlueConfig(base=str(tiny_gemma)), load(TASKS["rte"], source)
    moved = tmp_path / "moved"
    shutil.copytree(tiny_gemma, moved)
    key = config.key(task, data)
    assert GlueConfig(base=str(moved)).key(task, data) == key
    keys = {
        key,
        GlueConfig(base=str(tiny_gemma), dropout=DropoutRates(head=0.2)).key(task, data),
        config.key(TASKS["wnli"], data),
    }
    path = moved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    keys.add(GlueConfig(base=str(moved)).key(task, data))
    file = Path(source, "RTE/dev.tsv")
    file.write_text(file.read_text().replace("of 3", "of three"))
    keys.add(config.key(task, load(task, source)))
    assert len(keys) == 5


def test_ctrl_c_is_exit_130_with_one_line(
    files: Callable[..., str],
    tiny_gemma: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """The checkpoint of the interrupted training stays for the next call."""
    write = LossCheckpoint.on_save

    def interrupted(self: LossCheckpoint, *arguments: object, **options: object) -> None:
        write(self, *arguments, **options)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(LossCheckpoint, "on_save", interrupted)
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores SIGINT
    assert main(command(files("rte", count=16), tmp_path / "out", tiny_gemma)) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "gemma-st: interrupted; run the same command again to go on"
    assert "Traceback" not in err
    assert list((tmp_path / "out").glob(f"rte-*/seed-0/checkpoint-2/{LOSS_FILENAME}"))


def test_the_command_prints_the_table_and_how_to_get_it(
    files: Callable[..., str], tiny_gemma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output has the table and the folder only; the recorded command omits default options."""
    source, out = files("mnli", count=9), tmp_path / "out"
    assert main(["glue", str(tiny_gemma), "--task", "mnli", "--data", source, "--out", str(out), "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "MNLI-m " in printed
    assert "MNLI-mm " in printed
    assert printed.endswith(f"results, models and submissions written to {out}\n")
    assert {path.name for path in (out / "submissions").iterdir()} == {"MNLI-m.tsv", "MNLI-mm.tsv"}
    spelled = f"gemma-st glue {tiny_gemma} --task mnli --data {source} --out {out} --epochs 1"
    assert json.loads((out / "results.json").read_text())["command"] == spelled


def test_bad_arguments_are_one_line(tiny_gemma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad arguments end with one line on standard error and exit code 2."""
    for more, message in (
        (["--task", "rte2"], "task 'rte2' is not known"),
        (["--task", "rte", "--seeds", "0"], "--seeds 0; expected at least 1"),
        (
            ["--task", "rte", "--dropout", "tail=0.1"],
            "--dropout tail; expected a rate, or a place and its rate like att",
        ),
        (["--task", "rte", "--dropout", "much"], "--dropout much; expected a rate"),
        (["--task", "rte", "--epochs", "0"], "epochs = 0; expected a number above 0"),
        (["--task", "rte", "--train-examples", "-1"], "train_examples = -1; Input should be greater than 0"),
        (["--task", "rte", "--learning-rate", "nan"], "learning_rate = nan; Input should be a finite number"),
        (["--task", "rte", "--learning-rate", "inf"], "learning_rate = inf; Input should be a finite number"),
        (["--task", "rte", "--batch-size", "-8"], "batch_size = -8; Input should be greater than 0"),
        (["--task", "rte", "--dropout", "nan"], "dropout attention=nan; expected 0"),
        (["--task", "rte", "--data", str(tmp_path)], "rte is not there"),
    ):
        assert main(["glue", str(tiny_gemma), "--out", str(tmp_path / "out"), *more]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_frozen_weights_stay(files: Callable[..., str], tiny_gemma: Path, tmp_path: Path) -> None:
    """Exactly the parameters with a substring in their names stay; an unknown substring and freezing all are errors."""
    source, task = files("rte", count=16), TASKS["rte"]
    config = GlueConfig(base=str(tiny_gemma), freeze=("embed_tokens", "layers.0."), **FAST | {"epochs": 1})
    data = load(task, source)
    model = fine_tune(task, data, config, seed=0, checkpoints=tmp_path / "one")
    before, after = build(task, config)[0].state_dict(), model[0].state_dict()
    stayed = {name for name in before if same({"": before[name]}, {"": after[name]})}
    assert stayed == {name for name in before if "embed_tokens" in name or "layers.0." in name}
    for freeze, message in (("layers.9.", "'layers.9.' is in no parameter's name"), (".", "leaves nothing to train")):
        with pytest.raises(ModelError, match=message):
            fine_tune(
                task, data, GlueConfig(base=str(tiny_gemma), freeze=(freeze,)), seed=0, checkpoints=tmp_path / "two"
            )


def test_bf16_also_trains_without_a_gpu(files: Callable[..., str], tiny_gemma: Path, tmp_path: Path) -> None:
    """The command succeeds, the scores differ from those of float32, and the saved weights are float32."""
    source, scores = files("rte", count=16), []
    for out, more in ((tmp_path / "bf16", ["--bf16"]), (tmp_path / "float32", [])):
        assert main(command(source, out, tiny_gemma, *more)) == 0
        (row,) = json.loads((out / "results.json").read_text())["rows"]
        model = CrossEncoder(str(out / row["model"]))
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        scores.append(score(model, load(TASKS["rte"], source).dev[""]))
    assert np.isfinite(scores).all()
    assert not np.array_equal(*scores)


class TestBuild:
    """Tests of the model before training."""

    def test_a_bare_decoder_gets_a_template_of_two_sentences(self, tiny_gemma: Path) -> None:
        """The decoder's own template would join both texts without a separator."""
        from gemma_st.modeling.template import read_template

        model = build(TASKS["rte"], GlueConfig(base=str(tiny_gemma), padding_side="left", attention="causal"))
        assert read_template(model.tokenizer) == "<bos> Sentence 1: {query} Sentence 2: {document} <eos>"
        assert (model.tokenizer.padding_side, model.attention) == ("left", "causal")

    def test_a_linear_head_learns_and_is_saved(
        self, files: Callable[..., str], tiny_gemma: Path, tmp_path: Path
    ) -> None:
        """Training works with dropout in every place and with the probe."""
        source, out = files("rte", count=16), tmp_path / "out"
        assert main(command(source, out, tiny_gemma, "--head", "linear")) == 0
        (row,) = json.loads((out / "results.json").read_text())["rows"]
        model = CrossEncoder(str(out / row["model"]))
        assert [type(module).__name__ for module in model][2:] == ["LayerNorm", "Dense"]
        assert row["metrics"]["accuracy"][0] > row["baseline"]["accuracy"]

    def test_a_whole_cross_encoder_keeps_its_template(self, tiny_reranker: Path) -> None:
        """The backbone is used with the given pooler and a new head."""
        from gemma_st.modeling.template import read_template

        model = build(TASKS["mnli"], GlueConfig(base=str(tiny_reranker), pooler="last"))
        assert read_template(model.tokenizer) == "<bos> Query: {query} Document: {document} <eos>"
        assert model.label_names == ["entailment", "neutral", "contradiction"]
        assert "lasttoken" in model[1].get_config_dict()["pooling_mode"]

    def test_its_own_pooler_and_head_are_kept_but_for_the_last_layer(self, tiny_reranker: Path, tmp_path: Path) -> None:
        """The model scores the same after save and load; settings that contradict the base are refused."""
        from gemma_st.hub.saving import save

        source = CrossEncoder(str(tiny_reranker))
        model = build(TASKS["mnli"], GlueConfig(base=str(tiny_reranker), pooler="own", max_length=20))
        kept = {key: value for key, value in model.state_dict().items() if not key.startswith("4.")}
        assert same(kept, {key: value for key, value in source.state_dict().items() if not key.startswith("4.")})
        assert (model.num_labels, model.max_seq_length, model[0].query_length) == (3, 20, 15)
        again = CrossEncoder(str(save(model, tmp_path / "model")))
        pairs = [("a work", "the license"), ("any", "patent")]
        assert np.array_equal(again.predict(pairs), model.predict(pairs))
        assert again.label_names == model.label_names
        for other in ({"attention": "causal"}, {"head": "linear"}):
            with pytest.raises(ModelError, match="pooler 'own' keeps the model as it is, with .*bidirectional.*mlp"):
                build(TASKS["mnli"], GlueConfig(base=str(tiny_reranker), pooler="own", **other))
