"""The wheel installs and runs in a new environment, without the checkout."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, folder: Path) -> str:
    """Run a command outside the checkout and return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"IR_EVAL_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_runs_in_a_new_environment(tmp_path: Path) -> None:
    """``python -m build``, installation, both doctors, and the demo: BM25, the packaged reranker, a table."""
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT, folder=tmp_path)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "new", with_pip=True)
    scripts = tmp_path / "new/bin"
    install = (scripts / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt")
    run(*install, "torch==2.13.0", folder=tmp_path)
    run(*install, wheel, folder=tmp_path)
    assert "gemma-encoder-msmarco" in run(scripts / "gemma-st", "doctor", folder=tmp_path)
    assert "java" in run(scripts / "ir-eval", "doctor", folder=tmp_path)
    table = run(scripts / "ir-eval", "run", "--depth", "20", "-m", "ndcg@10", folder=tmp_path)
    assert "bm25" in table
    assert "gemma-encoder-msmarco" in table
