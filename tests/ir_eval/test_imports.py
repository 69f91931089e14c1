"""Imports: slow packages are imported only when they are needed, and every public name exists."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ir_eval

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
    """Neither torch nor Java nor any other package that takes a second is imported."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_public_names_are_those_that_type_checkers_see() -> None:
    """Every name can be imported, from the module that the block for type checkers names."""
    tree = ast.parse(Path(ir_eval.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {name.name: node.module for node in imports for name in node.names if str(node.module).startswith("ir_eval")}
    assert set(seen) == set(ir_eval.__all__)
    assert all(getattr(ir_eval, name) is getattr(import_module(module), name) for name, module in seen.items())
    with pytest.raises(AttributeError, match="no attribute 'Runs'; it has BM25, "):
        ir_eval.Runs  # noqa: B018
