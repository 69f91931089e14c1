"""ir-eval compare: files and experiment folders, every format, and errors of one line."""

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from gemma_st.settings import read_toml
from ir_eval.cli import main
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.compare import compare
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.experiment import Given, parse_experiment, run_experiment
from tests.test_docstrings import write_collection

NAMES = ("bm25.top100.trec", "bm25_rm3.top100.trec", "d_bert_kd_tasb.top100.trec")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variables that the command sets are removed afterwards."""
    for name in ("HF_HUB_VERBOSITY", "TQDM_LEAVE", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def dl19(data: Path) -> Path:
    """TREC-DL 2019."""
    return data / "msmarco" / "trec-dl19"


@pytest.fixture(scope="module")
def files(dl19: Path) -> list[str]:
    """The command for three runs by one measure."""
    return ["compare", str(dl19 / "qrels.txt"), *(str(dl19 / "runs" / name) for name in NAMES), "-m", "ndcg@10"]


@pytest.fixture
def experiment(dl19: Path, tmp_path: Path) -> Path:
    """A folder of ir-eval run with two collections; the second has half of the queries."""
    folder = tmp_path / "experiment"
    collections = []
    for name in ("trec-dl19", "half"):
        (folder / name).mkdir(parents=True)
        lines = (dl19 / "qrels.txt").read_text().splitlines(keepends=True)
        (folder / name / "qrels.txt").write_text("".join(lines if name == "trec-dl19" else lines[: len(lines) // 2]))
        systems = []
        for run in NAMES:
            system = run.split(".")[0]
            shutil.copy(dl19 / "runs" / run, folder / name / f"{system}.trec")
            found = {"sha256": "0" * 64, "measures": {"mrr@10": 0.5}, "seconds": None}
            systems.append({"name": system, "run": f"{name}/{system}.trec", **found})
        row = {"name": f"collection {name}", "folder": name, "systems": systems, "qrels": f"{name}/qrels.txt"}
        collections.append(row | {"split": None, "topics": 43, "fingerprint": None})
    given = {run.split(".")[0]: {"run": run} for run in NAMES}
    experiment = {"collections": ["a", "b"], "measures": ["mrr@10"], "baseline": "bm25_rm3", "systems": given}
    results = {"experiment": experiment, "collections": collections}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the JSON that a command prints."""
    assert main([*arguments, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_json_is_the_comparison(files: list[str], dl19: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Defaults: the first run is the baseline, both tests, Holm; the seed is passed on, and holes are measured."""
    qrels = Qrels.read(dl19 / "qrels.txt")
    truth = compare(
        {name: evaluate(qrels, Run.read(dl19 / "runs" / name), ["ndcg@10"]) for name in NAMES}, NAMES[:1], seed=3
    )
    found = answer([*files, "--seed", "3"], capsys)["trec-dl19/qrels.txt"]
    expected = json.loads(json.dumps(truth.to_dict()))
    assert {key: found[key] for key in expected.keys() - {"holes", "warnings"}} == {
        key: expected[key] for key in expected.keys() - {"holes", "warnings"}
    }
    assert list(found["holes"]) == list(NAMES)
    assert [warning.split(":")[0] for warning in found["warnings"]] == [NAMES[2]]
    assert answer(files, capsys)["trec-dl19/qrels.txt"] != found


def test_the_table_has_the_figures(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Means, the mark, the corrected p of both tests, and a warning below."""
    found = answer(files, capsys)["trec-dl19/qrels.txt"]
    assert main(files) == 0
    out = capsys.readouterr().out
    lines = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    assert ["bm25.top100.trec (a)", "0.5058"] in lines
    assert [NAMES[2], "0.7210 ↑a"] in lines
    rm3 = next(line for line in lines if line[0] == NAMES[1] and len(line) > 2)
    corrected = found["differences"][0]["corrected"]
    assert rm3[5:7] == [f"{corrected['t']:.4f}", f"{corrected['randomization']:.4f}"]
    assert f"warning: {found['warnings'][0]}" in out


def test_options_reach_the_comparison(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Two baselines, by label and by path, one test, Tukey."""
    options = ["--baseline", NAMES[2], "--baseline", files[2], "--test", "t", "--correction", "tukey"]
    found = answer([*files, *options], capsys)["trec-dl19/qrels.txt"]
    assert found["baselines"] == [NAMES[2], NAMES[0]]
    assert found["method"] == {"tests": ["t"], "correction": "tukey", "seed": 0, "alpha": 0.05}
    assert len(found["differences"]) == 4


@pytest.mark.parametrize(
    ("name", "start"), [("x.md", "## trec-dl19/qrels.txt: 43 queries"), ("x.tex", "% \\usepackage"), ("x.json", "{")]
)
def test_a_file_has_the_format_of_its_name(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, start: str
) -> None:
    """The file holds the text that --format prints, and nothing is printed; --format allows any file name."""
    layout = {"md": "markdown", "tex": "latex", "json": "json"}[name.split(".")[1]]
    assert main([*files, "--out", str(tmp_path / "new" / name)]) == 0
    assert capsys.readouterr().out == ""
    text = (tmp_path / "new" / name).read_text(encoding="utf-8")
    assert text.startswith(start)
    assert main([*files, "--format", layout]) == 0
    assert capsys.readouterr().out == text
    assert main([*files, "--format", layout, "--out", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x").read_text(encoding="utf-8") == text


def test_an_experiment_is_compared_by_collection(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the experiment's measures and baseline, and the judgements and runs of each collection."""
    found = answer(["compare", str(experiment)], capsys)
    assert list(found) == ["collection trec-dl19", "collection half"]
    whole, half = found.values()
    assert list(whole["means"]) == list(half["means"]) == ["bm25", "bm25_rm3", "d_bert_kd_tasb"]
    assert whole["baselines"] == half["baselines"] == ["bm25_rm3"]
    for name, plain in (("trec-dl19", whole), ("half", half)):
        qrels = Qrels.read(experiment / name / "qrels.txt")
        assert plain["queries"] == len(qrels)
        means = evaluate(qrels, Run.read(experiment / name / "bm25.trec"), ["mrr@10"]).means
        assert plain["means"]["bm25"] == pytest.approx(means)
    assert whole["queries"] == 43 > half["queries"]


def test_an_experiments_measures_and_baseline_may_be_others(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any baseline it is the first system; collections of equal names are called by their folders."""
    found = answer(["compare", str(experiment), "-m", "map", "--baseline", "bm25"], capsys)
    assert {tuple(plain["baselines"]) for plain in found.values()} == {("bm25",)}
    assert [list(plain["means"]["bm25"]) for plain in found.values()] == [["map"], ["map"]]
    results = json.loads((experiment / "results.json").read_text())
    del results["experiment"]["baseline"]
    results["collections"][1]["name"] = results["collections"][0]["name"]
    (experiment / "results.json").write_text(json.dumps(results))
    found = answer(["compare", str(experiment)], capsys)
    assert {name: plain["baselines"] for name, plain in found.items()} == {"trec-dl19": ["bm25"], "half": ["bm25"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("qrels.txt", "no system alone; expected at least 2 systems; add a run"),
        ("qrels.txt a.trec", "a.trec alone; expected at least 2 systems; add a run"),
        ("qrels.txt a.trec b.trec --baseline c", "baseline 'c'; expected one of a.trec, b.trec"),
        ("qrels.txt a.trec b.trec -m ndgc", "measure 'ndgc': no such name; expected one of ndcg[@k]"),
        ("qrels.txt a.trec b.trec --seed -1", "seed -1; expected at least 0"),
        ("qrels.txt a.trec b.trec --out x.txt", "x.txt: a table is printed, not written; expected .md, .tex or .json"),
        ("qrels.txt a.trec b.trec --out a.trec/x.md", "a.trec: cannot be written (a.trec is no folder"),
        ("qrels.txt a.trec absent.trec", "absent.trec: cannot be read (No such file or directory)"),
        ("empty", "empty/results.json: no results (not a readable JSON file (No such file or directory)"),
        ("broken", "broken/results.json: no results (not a readable JSON file (Expecting property name"),
        ("old", "old/results.json: no results (missing collections; add it); expected the file of ir-eval run --out"),
        ("absent", "absent: cannot be read (No such file or directory)"),
        ("qrels.txt a.trec a.trec/b.trec", "a.trec/b.trec: cannot be read (Not a directory)"),
        ("loop", "loop: cannot be read (Too many levels of symbolic links)"),
        ("qrels.txt loop a.trec", "loop: cannot be read (Too many levels of symbolic links)"),
        ("qrels.txt a.trec b.trec --out empty --format json", "empty: cannot be written (it is a folder)"),
        ("qrels.txt a.trec b.trec --seed 99999999999999999999999", "seed 99999999999999999999999; expected at most"),
        ("empty a.trec b.trec", "empty is a folder; expected an experiment's folder alone, or judgements and runs"),
    ],
)
def test_bad_arguments_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    """The message says what was seen and expected, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    Path("qrels.txt").write_text("q1 0 d1 1\n")
    for name in ("a", "b"):
        Path(f"{name}.trec").write_text(f"q1 Q0 d1 1 2.5 {name}\n")
    for name, text in (("empty", None), ("broken", "{"), ("old", '{"experiment": {}}')):
        Path(name).mkdir()
        if text:
            Path(name, "results.json").write_text(text)
    Path("loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    assert main(["compare", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ir-eval: error: {message}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("layout", ["table", "markdown", "latex", "json", "report"])
def test_missing_documents_and_queries_are_noted_in_every_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    """Judged documents that the collection lacks, judged queries that a run lacks, and queries without judgements."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    write_collection(Path("pond"))
    with Path("pond/qrels/test.tsv").open("a") as file:
        file.write("q2\tabsent\t1\nq1\tgone\t0\n")
    Path("a.trec").write_text("q1 Q0 d1 1 1 a\n")
    Path("b.trec").write_text("q2 Q0 d3 1 1 b\nq3 Q0 d3 1 1 b\nq4 Q0 d3 1 1 b\nq1 Q0 d1 1 1 b\n")
    systems = "".join(f'[systems.{name}]\nrun = "{name}.trec"\n' for name in "ab")
    Path("e.toml").write_text(f'collections = ["pond"]\nmeasures = ["mrr"]\n{systems}')
    # A system that reads documents makes the experiment count those that are missing.
    table = parse_experiment(read_toml("e.toml", error=InputError))
    monkeypatch.setattr(Given, "reads_documents", True)
    run_experiment(table, "out")
    if layout == "report":
        assert main(["report", "out"]) == 0
        capsys.readouterr()
        text = html.unescape(Path("out/report.html").read_text())
    else:
        assert main(["compare", "out", "--format", layout]) == 0
        text = capsys.readouterr().out
    assert "2 of 5 judged documents are not in the collection" in text
    assert "answers 1 of 2 judged queries; the others count 0" in text
    assert "2 of its queries have no judgement and are ignored" in text
    (place,) = json.loads(Path("out/results.json").read_text())["collections"]
    assert [(row["answered"], row["ignored"]) for row in place["systems"]] == [(1, 0), (2, 2)]
    assert place["missing_judged"] == 2
