"""msmarco_submission: the written files, read by the rules of the official evaluator."""

import bz2
import json
from pathlib import Path

import numpy as np
import pytest

from ir_eval.cli import main
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate
from ir_eval.leaderboard import Submission, write_submission

ID = "20260131-ours"
COMMAND = ["--id", ID, "--team", "Us, Somewhere", "--model", "ours"]
RUN = Run.from_dict({"2": {"10": 1.0, "9": 2.0}, "10": {"7": 1.0}})


def official_mrr(qrels: Path, candidates: Path) -> float:
    """Compute MRR@10 as ms_marco_eval.py of microsoft/MSMARCO-Passage-Ranking-Submissions does."""
    relevant: dict[int, set[int]] = {}
    for line in qrels.read_text().splitlines():
        query, _, passage, _ = line.split()
        relevant.setdefault(int(query), set()).add(int(passage))
    ranked: dict[int, list[int]] = {}
    with bz2.open(candidates, "rt") as lines:
        for line in lines:
            query, passage, rank = line.strip().split("\t")
            ranked.setdefault(int(query), [0] * 1000)[int(rank) - 1] = int(passage)
    total = 0.0
    for judged in ranked.keys() & relevant.keys():
        total += next((1 / (i + 1) for i in range(10) if ranked[judged][i] in relevant[judged]), 0.0)
    return total / len(relevant)


def test_the_official_mrr_equals_ours(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the Dev small judgements, with ties, missing queries and a query without judgements."""
    path = data / "msmarco" / "dev-small" / "qrels.txt"
    qrels = Qrels.read(path)
    random = np.random.default_rng(0)
    scores: dict[str, dict[str, float]] = {"1": {"5": 1.0}}
    for query in list(qrels)[:6000]:
        docs = {str(doc): float(random.integers(6)) for doc in random.integers(8_841_823, size=15)}
        scores[query] = docs | {doc: float(random.integers(6)) for doc in qrels[query]}
    run = Run.from_dict(scores)
    run.write(tmp_path / "dev.trec")
    RUN.write(tmp_path / "eval.trec")
    files = [str(tmp_path / "dev.trec"), str(tmp_path / "eval.trec")]
    assert main(["submit", *files, *COMMAND, "--out", str(tmp_path / "out"), "--code", "https://x"]) == 0
    assert ID in capsys.readouterr().out
    official = official_mrr(path, tmp_path / "out" / ID / "dev.txt.bz2")
    assert official == pytest.approx(evaluate(qrels, run, ["mrr@10"]).means["mrr@10"], abs=1e-12)
    assert official > 0.1
    assert json.loads((tmp_path / "out" / f"{ID}-metadata.json").read_text()) == {
        **{"team": "Us, Somewhere", "model_description": "ours", "paper": "", "code": "https://x"},
        "type": "full ranking",
    }


def test_the_ranking_is_read_back(tmp_path: Path) -> None:
    """The top 1000 documents keep their order; an existing submission is not overwritten."""
    long = Run.from_dict({"3": {str(doc): float(doc % 7) for doc in range(1, 1101)}})
    folder = write_submission(Submission(ID, "us", "it", type="reranking"), long, RUN, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["dev.txt.bz2", "eval.txt.bz2"]
    rows = [line.split("\t") for line in bz2.decompress((folder / "dev.txt.bz2").read_bytes()).decode().splitlines()]
    assert [row[1] for row in rows] == long["3"][0].tolist()[:1000]
    assert [row[2] for row in rows] == [str(rank) for rank in range(1, 1001)]
    assert bz2.decompress((folder / "eval.txt.bz2").read_bytes()) == b"10\t7\t1\n2\t9\t1\n2\t10\t2\n"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"{ID}: exists; expected a new submission"):
        write_submission(Submission(ID, "us", "it"), RUN, RUN, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "20260201-ours-metadata.json").mkdir()
    with pytest.raises(InputError, match="20260201-ours-metadata.json: exists"):
        write_submission(Submission("20260201-ours", "us", "it"), RUN, RUN, tmp_path)
    assert not (tmp_path / "20260201-ours").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"id": "ours-2026"}, "submission id 'ours-2026'; expected yyyymmdd-suffix"),
        ({"id": "20260131-../x"}, "expected yyyymmdd-suffix"),
        ({"type": "both"}, "submission type 'both'; expected 'full ranking' or 'reranking'"),
        ({"team": " "}, "submission without team"),
    ],
)
def test_wrong_metadata_are_refused(wrong: dict[str, str], message: str) -> None:
    """`Submission` raises before any file is written."""
    with pytest.raises(InputError, match=message):
        Submission(**{"id": ID, "team": "us", "model_description": "it", **wrong})


def test_a_run_of_something_else_leaves_nothing(tmp_path: Path) -> None:
    """The evaluator reads whole numbers; no file or folder is left behind."""
    other = Run.from_dict({"2": {"D10": 1.0}})
    with pytest.raises(InputError, match="document id 'D10'; expected the whole numbers of MS MARCO"):
        write_submission(Submission(ID, "us", "it"), RUN, other, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_submission_that_was_killed_can_be_made_again(tmp_path: Path) -> None:
    """Its metadata file is there before its folder."""
    (tmp_path / f"{ID}-metadata.json").write_text("half")
    write_submission(Submission(ID, "us", "it"), RUN, RUN, tmp_path)
    assert json.loads((tmp_path / f"{ID}-metadata.json").read_text())["team"] == "us"


@pytest.mark.parametrize("name", ["id", "team", "model_description", "paper", "code", "type"])
@pytest.mark.parametrize("value", [None, 5, b"it", "half \ud800", "two\nlines", "\x1b[1mbold", "nul\0", ["it"]])
def test_metadata_that_are_no_text_of_one_line_are_refused(name: str, value: str) -> None:
    """Before a file is written."""
    with pytest.raises(InputError, match="^submission [^\n]+; expected [^\n]+$"):
        Submission(**{"id": ID, "team": "us", "model_description": "it", name: value})


@pytest.mark.parametrize("day", ["20260230", "20261301", "20260100"])
def test_a_day_that_does_not_exist_is_refused(day: str) -> None:
    """An id begins with the day of the submission."""
    with pytest.raises(InputError, match=f"submission id '{day}-x'; expected the day"):
        Submission(f"{day}-x", "us", "it")
