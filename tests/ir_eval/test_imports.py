"""What starts at once: nothing heavy is imported before it is needed."""

import subprocess
import sys

import pytest

HEAVY = "torch jinja2 jnius pyserini faiss numba ranx pandas pyarrow ir_datasets".split()
HEAVY += ["transformers", "sentence_transformers", "datasets"]
REPORT = f"\nimport sys; print(sorted(set({HEAVY}) & set(sys.modules)))"
HELP = """
from contextlib import suppress
with suppress(SystemExit):
    main(["--help"])
with suppress(SystemExit):
    main(["run", "--help"])
"""


@pytest.mark.parametrize(
    "code",
    [
        "import gemma_st",
        "import ir_eval.retrieval.bm25, ir_eval.retrieval.dense, ir_eval.report.html",
        "import ir_eval.cli, ir_eval.experiment, ir_eval.leaderboard, ir_eval.pipeline.negatives, ir_eval.cli.doctor",
        f"from ir_eval.cli import main{HELP}",
        f"from gemma_st.cli import main{HELP}",
    ],
)
def test_imports_and_help_are_light(code: str) -> None:
    """Neither torch nor Java nor anything else that takes a second."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
