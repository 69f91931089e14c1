"""What every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the public data sets; on a developer's machine tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("GEMMA_ST_DATA") or Path(__file__).parents[1] / "../shared/data").resolve()
    if not (folder / "msmarco").is_dir():
        reason = f"no data sets in {folder}: set GEMMA_ST_DATA to their folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
