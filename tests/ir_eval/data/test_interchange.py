"""interchange: data converted to another library and back are equal."""

import os
import subprocess
import sys
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from ir_eval.data.interchange import qrels_from, run_from, to_arrow, to_ir_measures, to_pandas
from ir_eval.data.qrels import Qrels
from ir_eval.data.run import Run
from ir_eval.errors import InputError
from ir_eval.evaluation.evaluate import evaluate

# Ties, odd ids, a score that only float32 rounds so, the smallest and the largest.
SCORES = {
    "q2": {"d": 1.0, "é": 1.0, "日本": 1.0, "\U0001f600": 0.1, "1": 1e-45},
    "q1": {"d": 3.4028235e38, "a\u00a0b": -0.1},
}
JUDGED = {"q2": {"d": 1, "é": 0, "日本": -1}, "q1": {"a\u00a0b": 3}}
RUN, QRELS = Run.from_dict(SCORES, name="mine"), Qrels.from_dict(JUDGED)


def test_pandas() -> None:
    """A DataFrame has one row per document, in canonical order, and the documented column names."""
    frame = to_pandas(RUN)
    assert list(frame.columns) == ["query_id", "doc_id", "score"]
    assert frame["query_id"].tolist() == ["q1"] * 2 + ["q2"] * 5
    assert frame["doc_id"].tolist() == RUN.doc_ids.tolist()
    assert frame["score"].dtype == np.float32
    assert run_from(frame) == run_from(frame.sample(frac=1, random_state=1)) == RUN
    assert (run_from(frame).name, run_from(frame, name="other").name) == ("run", "other")
    assert list(to_pandas(QRELS).columns) == ["query_id", "doc_id", "relevance"]
    assert qrels_from(to_pandas(QRELS)) == QRELS


def test_pyterriers_names() -> None:
    """PyTerrier's names are read, beside its other columns and with its float64 scores."""
    results = to_pandas(RUN).rename(columns={"query_id": "qid", "doc_id": "docno"})
    results = results.assign(score=results["score"].astype(float), rank=0, query="text", docid=range(len(results)))
    assert run_from(results) == RUN
    topics = to_pandas(QRELS).rename(columns={"query_id": "qid", "doc_id": "docno", "relevance": "label"})
    assert qrels_from(topics) == QRELS


def test_arrow_and_parquet(tmp_path: Path) -> None:
    """A table converts back after it was written to a Parquet file."""
    parquet.write_table(to_arrow(RUN), tmp_path / "run.parquet")
    again = parquet.read_table(tmp_path / "run.parquet")
    assert again.schema.names == ["query_id", "doc_id", "score"]
    assert again.schema.field("score").type == pa.float32()
    assert run_from(again) == RUN
    assert qrels_from(to_arrow(QRELS)) == QRELS


def test_ir_measures() -> None:
    """The records are those of ir_measures, and its recall on them is ours."""
    records = list(to_ir_measures(RUN))
    assert records[0] == ir_measures.ScoredDoc("q1", "d", float(np.float32(SCORES["q1"]["d"])))
    assert run_from(iter(records)) == RUN
    judged = list(to_ir_measures(QRELS))
    assert judged[0] == ir_measures.Qrel("q1", "a\u00a0b", 3)
    assert qrels_from(judged) == QRELS
    theirs = ir_measures.calc_aggregate([ir_measures.R @ 2], judged, records)[ir_measures.R @ 2]
    assert theirs == evaluate(QRELS, RUN, ["recall@2"]).means["recall@2"]


def test_ranx() -> None:
    """Conversion keeps the name; ranx runs uncompiled, which is faster here."""
    code = f"""
from ir_eval.data.interchange import *
run, qrels = Run.from_dict({SCORES!r}, name="mine"), Qrels.from_dict({JUDGED!r})
import ranx
theirs = to_ranx(run)
assert isinstance(theirs, ranx.Run) and isinstance(to_ranx(qrels), ranx.Qrels)
assert (run_from(theirs), run_from(theirs).name) == (run, "mine")
assert theirs.to_dict() == run.to_dict()
assert qrels_from(to_ranx(qrels)) == qrels
assert ranx.evaluate(to_ranx(qrels), theirs, "recall@2") == 0.5
"""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"query": ["q"], "docno": ["d"], "score": [1.0]},
            "columns query, docno, score; expected one named query_id or",
        ),
        ({"qid": ["q"], "docno": ["d"], "rank": [1]}, "columns qid, docno, rank; expected one named score"),
        ({"qid": [1.0], "docno": ["d"], "score": [1.0]}, "an id is not a string"),
        ({"qid": ["q"], "docno": [None], "score": [1.0]}, "an id is not a string"),
        ({"qid": ["q"], "docno": ["d"], "score": [np.nan]}, "query 'q', document 'd': nan; expected a finite number"),
        ({"qid": ["q"], "docno": ["d"], "score": ["high"]}, "scores of type"),
        ({"qid": [], "docno": [], "score": []}, "no rows; expected at least one"),
    ],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pa.table])
def test_what_is_no_run_is_refused(make: type, columns: dict[str, list[object]], message: str) -> None:
    """The error is the same for pandas and Arrow."""
    with pytest.raises(InputError) as caught:
        run_from(make(columns))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("make", [pd.DataFrame, pa.table])
def test_integer_ids_and_whole_grades_are_read(make: type) -> None:
    """Integer ids are their decimal strings; pandas writes whole grades as floats."""
    run = run_from(make({"qid": [7, 7], "docno": [0, -12], "score": [2.0, 1.0]}))
    assert run == Run.from_dict({"7": {"0": 2.0, "-12": 1.0}})
    qrels = qrels_from(make({"qid": [7, 7], "docno": [0, -12], "label": [2.0, -1.0]}))
    assert qrels == Qrels.from_dict({"7": {"0": 2, "-12": -1}})


def test_a_judgement_is_an_integer() -> None:
    """A missing relevance turns the column into floats, which are refused."""
    with pytest.raises(InputError, match="relevance of type float64; expected integers"):
        qrels_from(pd.DataFrame({"qid": ["q", "q"], "docno": ["a", "b"], "label": [1, None]}))
