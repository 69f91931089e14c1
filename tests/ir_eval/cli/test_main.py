"""ir-eval: measures, errors of one line, and Ctrl-C at any moment."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ir_eval.cli import main
from ir_eval.cli.evaluate import _rank_note
from ir_eval.data.run import Run
from ir_eval.evaluation.evaluate import Evaluation

GOOD = "q1 Q0 d1 1 2.5 tag\n"
# A test runner in the background may ignore Ctrl-C, and its child processes inherit that.
START = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [sys.executable, "-c", f"{START}from ir_eval.cli import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test; the environment variables that a command sets are removed afterwards."""
    for name in ("HF_HUB_VERBOSITY", "TQDM_LEAVE", "TQDM_DISABLE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("IR_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with judgements and a run."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("qrels.txt").write_text("q1 0 d1 1\n")
    Path("good.trec").write_text(GOOD)
    return tmp_path / "here"


@pytest.fixture
def dl19(data: Path) -> Path:
    """TREC-DL 2019."""
    return data / "msmarco" / "trec-dl19"


def evaluate_runs(folder: Path, *names: str) -> list[str]:
    """Return the command for some of the runs of a folder."""
    return ["evaluate", str(folder / "qrels.txt"), *(str(folder / "runs" / name) for name in names)]


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of a table, by system."""
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.startswith("  ") and line.strip()]
    return {system: cells for system, *cells in lines if system != "system"}


def test_evaluate_gives_trec_evals_figures(dl19: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several runs in one table."""
    names = ["splade_p_p_ensemble_distil.top100.trec", "d_bert_kd_tasb.top100.trec", "open_ai_ada2.top100.trec"]
    command = evaluate_runs(dl19, "bm25.top1000.trec", *names)
    assert main([*command, "-m", "ndcg@10", "-m", "map-l2", "-m", "recall@1000-l2"]) == 0
    out = capsys.readouterr().out
    found = rows(out)
    assert found["bm25.top1000.trec"] == ["0.5058", "0.3013", "0.7501"]
    assert [found[name][0] for name in names] == ["0.7308", "0.7210", "0.7035"]
    assert "rank column" not in out


def test_evaluate_gives_every_query(dl19: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the format of ``trec_eval -q``: the mean is last, and each run has a column."""
    command = evaluate_runs(dl19, "bm25.top1000.trec", "rep_llama.trec")
    assert main([*command, "--per-query", "-m", "ndcg@10", "-m", "map-l2"]) == 0
    head, *lines = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head == ["query", "measure", "bm25.top1000.trec", "rep_llama.trec"]
    assert [line[:2] for line in lines if line[0] in ("1037798", "all")] == [
        [query, measure] for measure in ("ndcg@10", "map-l2") for query in ("1037798", "all")
    ]
    figures = {(query, measure): list(map(float, scores)) for query, measure, *scores in lines}
    assert len(figures) == 2 * 44
    assert [round(score, 4) for score in figures["all", "ndcg@10"]] == [0.5058, 0.7384]
    for measure in ("ndcg@10", "map-l2"):
        every = [scores for (query, name), scores in figures.items() if name == measure and query != "all"]
        assert np.mean(every, axis=0) == pytest.approx(figures["all", measure], abs=1e-6)


def test_a_different_order_in_the_rank_column_is_noted(dl19: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line below the table gives the measures by the rank column."""
    assert main([*evaluate_runs(dl19, "rep_llama.trec", "bm25.top100.trec"), "-m", "ndcg@10"]) == 0
    out = capsys.readouterr().out
    assert rows(out) == {"rep_llama.trec": ["0.7384"], "bm25.top100.trec": ["0.5058"]}
    notes = [line for line in out.splitlines() if "rank column" in line]
    assert notes == ["rep_llama.trec: by its rank column, which trec_eval ignores: ndcg@10 0.7439"]


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_judged_queries_that_a_run_misses_are_counted(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A line for each run that does not answer all; further queries do not count."""
    Path("some.txt").write_text("".join(f"q{number} 0 d1 1\n" for number in range(10)))
    Path("one.trec").write_text("q3 Q0 d1 1 2.5 tag\nunjudged Q0 d1 1 2.5 tag\n")
    Path("all.trec").write_text("".join(f"q{number} Q0 d1 1 1 tag\n" for number in range(11)))
    assert main([command, "some.txt", "one.trec", "all.trec", "-m", "mrr"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "answers" in line]
    assert [note.removeprefix("warning: ") for note in notes] == [
        "one.trec: answers 1 of 10 judged queries; the others count 0"
    ]


def test_rank_note_only_where_it_shows() -> None:
    """A difference that four decimals do not show gives no note."""
    queries = np.array(["1"], dtype=np.dtypes.StringDType())
    ours, *others = (
        Evaluation(queries, {"map": np.array([mean]), "mrr": np.array([0.5])}) for mean in (0.25, 0.2500001, 0.26)
    )
    assert _rank_note("x.trec", ours, others[0]) is None
    assert _rank_note("x.trec", ours, others[1]) == (
        "x.trec: by its rank column, which trec_eval ignores: map 0.2600  mrr 0.5000"
    )


@pytest.mark.parametrize("ranks", ["1 2", "0 0", "- -", "x y", "2.0 1.0", "1 1"])
def test_the_same_order_in_the_rank_column_is_not_noted(
    here: Path, capsys: pytest.CaptureFixture[str], ranks: str
) -> None:
    """The ranks give the same order, no order, or are not integers."""
    first, second = ranks.split()
    Path("run.trec").write_text(f"q1 Q0 d2 {first} 2.5 tag\nq1 Q0 d1 {second} 1.5 tag\n")
    assert main(["evaluate", "qrels.txt", "run.trec", "-m", "mrr"]) == 0
    out = capsys.readouterr().out
    assert rows(out) == {"run.trec": ["0.5000"]}
    assert "rank" not in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "run.trec: empty run; expected lines of qid Q0 docid rank score tag; check what wrote it"),
        (GOOD + GOOD, "run.trec:2: document 'd1' again for query 'q1'; expected once; remove this line or line 1"),
        (GOOD + "q1 Q0 d2 2 nan tag", "run.trec:2: score 'nan'; expected a finite 32-bit number; correct or remove"),
        (GOOD + "q1 Q0 d2 2 1.0", "run.trec:2: 5 columns; expected 6 (qid Q0 docid rank score tag); correct or remove"),
        (GOOD + "q1 Q0 d\udcff 2 1.0 tag", "run.trec:2: byte 0xff at column 8 is not UTF-8; convert the file to UTF-8"),
        ("other" + GOOD, "run.trec: no judged query is in the run, which has queries like 'otherq1'; expected queries"),
    ],
)
def test_a_bad_run_is_one_line(here: Path, capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    """The message has file, line, what was seen and expected, and what to do; no table is printed."""
    Path("run.trec").write_bytes(line.encode(errors="surrogateescape"))
    assert main(["evaluate", "qrels.txt", "good.trec", "run.trec"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ir-eval: error: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate qrels.txt absent.trec", "absent.trec: cannot be read (No such file or directory); expected a whole"),
        ("evaluate absent.txt good.trec", "absent.txt: cannot be read (No such file"),
        ("evaluate qrels.txt good.trec -m ndgc@10", "measure 'ndgc@10': no such name; expected one of ndcg[@k], map"),
        ("evaluate qrels.txt good.trec -m ndcg@0", "measure 'ndcg@0': the cutoff is below 1; expected one of ndcg[@k]"),
        ("run ./nowhere", "./nowhere: not a folder; expected one with corpus.jsonl or passages.tsv; check the path"),
        ("run nowhere", "nowhere: no such collection; expected a folder"),
        ("run --depth 0", "system 'gemma-encoder-msmarco': depth 0; expected at least 1 document to rerank"),
        ("run -m recall@0", "measure 'recall@0': the cutoff is below 1"),
        (
            "run --rerank gemma",
            "system 'gemma': model 'gemma': no such directory or packaged model; expected a directory",
        ),
        ("run --out good.trec/out", "good.trec/out: cannot be written (good.trec is no folder, or is protected)"),
        ("mine nowhere --out x.jsonl", "nowhere: no such collection"),
        ("mine nowhere --out x.jsonl --negatives 0", "negatives = 0; Input should be greater than or equal to 1"),
    ],
)
def test_bad_arguments_are_one_line(
    here: Path, cache: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    """The command fails before any work, and writes nothing."""
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ir-eval: error: {message}")
    assert err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["good.trec", "qrels.txt"]
    assert not cache.exists()


def test_a_model_that_the_hub_cannot_give_is_one_line(dl19: Path) -> None:
    """In a fresh process, where libraries would otherwise log."""
    command = ["run", str(dl19), "--first-stage", str(dl19 / "runs/bm25.top100.trec"), "--rerank", "nobody/nothing"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*COMMAND, *command], env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ir-eval: error: ")
    assert "nobody/nothing" in done.stderr
    assert done.stderr.count("\n") == 1


def test_run_from_topics_to_table(
    dl19: Path, tmp_path: Path, tiny_reranker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """BM25 and a reranker: the printed figures equal those in the folder."""
    out = tmp_path / "out"
    arguments = ["--rerank", str(tiny_reranker), "--depth", "5", "-m", "ndcg@10", "-m", "recall@1000-l2"]
    assert main(["run", str(dl19), *arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "trec-dl19: 43 topics" in printed
    assert printed.rstrip().endswith(f"runs, results.json and report.html in {out}")
    found = rows(printed)
    assert list(found) == ["bm25", "bm25 → tiny-reranker"]
    for system in json.loads((out / "results.json").read_text())["collections"][0]["systems"]:
        run = Run.read(out / system["run"])
        assert max(len(run[query_id][0]) for query_id in run) == (1000 if system["name"] == "bm25" else 5)
        label = "bm25" if system["name"] == "bm25" else "bm25 → tiny-reranker"
        assert [cell.rstrip(" ↑↓") for cell in found[label][:2]] == [f"{m:.4f}" for m in system["measures"].values()]
        assert float(found[label][2].replace(",", "")) > 0


def test_mine_writes_lists(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The given number of lists, each with the given number of negatives."""
    folder, path = data / "beir" / "scifact-train", tmp_path / "lists.jsonl"
    command = ["mine", str(folder), "--split", "train", "--queries", "7", "--negatives", "3", "--out", str(path)]
    assert main(command) == 0
    assert capsys.readouterr().out == f"7 lists written to {path}\n"
    assert [json.loads(line)["labels"] for line in path.read_text().splitlines()] == [[1, 0, 0, 0]] * 7


def interrupt(arguments: list[str], moment: Callable[[], bool]) -> None:
    """Start a command, interrupt it at a moment, and check its exit code and message."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not moment():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (130, "")
    assert err == "ir-eval: interrupted; run the same command again to resume\n"


def test_ctrl_c_while_indexing_and_while_searching(
    dl19: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No half-written index or temporary file is left, and the next run finishes."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    command = ["run", str(dl19), "--out", str(out)]
    interrupt(command, lambda: any(cache.glob("indexes/.lucene*/*")))
    assert not list(cache.glob("indexes/*"))
    interrupt(command, lambda: any(scratch.glob("*/run")))
    assert [path.name.split("-")[0] for path in cache.glob("indexes/*")] == ["lucene"]
    assert not list(scratch.iterdir())
    assert not out.exists()
    assert main(command) == 0
    assert sorted(path.name for path in out.rglob("*.*")) == ["bm25.trec", "qrels.txt", "report.html", "results.json"]


def test_ctrl_c_while_reranking(dl19: Path, cache: Path, tmp_path: Path, tiny_reranker: Path) -> None:
    """Finished scores are kept, and the next run only adds to them."""
    arguments = ["run", str(dl19), "--first-stage", str(dl19 / "runs/bm25.top100.trec")]
    arguments += ["--rerank", str(tiny_reranker), "--depth", "50"]

    def kept() -> dict[Path, int]:
        files = (path for path in cache.glob("scores/*/[!.]*") if path.name != "about.txt")
        return {path: path.stat().st_mtime_ns for path in files}

    interrupt([*arguments, "--out", str(tmp_path / "out")], lambda: bool(kept()))
    before = kept()
    assert 0 < len(before) < 9
    others = {cache / "judged", *cache.glob("judged/*"), *cache.rglob("about.txt")}  # counts of missing documents
    written = set(cache.rglob("*")) - others
    assert written == {cache / "scores", *before, *(path.parent for path in before)}
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["bm25.top100.trec"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert len(kept()) == 9
    assert before.items() <= kept().items()
