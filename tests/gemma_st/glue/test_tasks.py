"""Tests of gemma_st.glue.tasks: the exact names and content of submission files."""

import numpy as np
import pytest

from gemma_st.glue.tasks import TASKS


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("cola", "0\t1\n4\t0\n"),
        ("sst-2", "0\t1\n4\t0\n"),
        ("mrpc", "0\t1\n4\t0\n"),
        ("qqp", "0\t1\n4\t0\n"),
        ("wnli", "0\t1\n4\t0\n"),
        ("mnli", "0\tneutral\n4\tentailment\n"),
        ("qnli", "0\tnot_entailment\n4\tentailment\n"),
        ("rte", "0\tnot_entailment\n4\tentailment\n"),
        ("boolq", '{"idx": 0, "label": "true"}\n{"idx": 4, "label": "false"}\n'),
        ("cb", '{"idx": 0, "label": "contradiction"}\n{"idx": 4, "label": "entailment"}\n'),
        ("super-rte", '{"idx": 0, "label": "not_entailment"}\n{"idx": 4, "label": "entailment"}\n'),
        ("wic", '{"idx": 0, "label": "true"}\n{"idx": 4, "label": "false"}\n'),
        ("copa", '{"idx": 0, "label": 1}\n{"idx": 4, "label": 0}\n'),
    ],
)
def test_classes_are_spelled_as_the_server_wants_them(name: str, rows: str) -> None:
    """Classes are names or numbers, in TSV with a header or in JSON lines."""
    header = "index\tprediction\n" if TASKS[name].suite == "glue" else ""
    assert TASKS[name].submission([0, 4], np.array([1, 0])) == header + rows


def test_grades_have_three_decimals() -> None:
    """Grades from 0 to 5 are rounded to three decimals."""
    assert TASKS["sts-b"].submission([3, 5], np.array([5.0, 0.12345])) == "index\tprediction\n3\t5.000\n5\t0.123\n"


def test_files_have_the_servers_names() -> None:
    """The names are those that the server expects, with two files for MNLI."""
    assert [TASKS["mnli"].submission_filename(part) for part in TASKS["mnli"].parts] == ["MNLI-m.tsv", "MNLI-mm.tsv"]
    found = {TASKS[name].submission_filename() for name in TASKS if name != "mnli"}
    assert found == {f"{name}.tsv" for name in ("CoLA", "SST-2", "MRPC", "STS-B", "QQP", "QNLI", "RTE", "WNLI")} | {
        f"{name}.jsonl" for name in ("BoolQ", "CB", "RTE", "WiC", "COPA")
    }
