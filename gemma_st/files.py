"""Text files that are written whole or not at all."""

import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears under its name only once it is whole.

    Args:
        path: The file; its folder is made.
        text: What to write, in UTF-8, with the line ends it has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        fresh = Path(folder, path.name)
        fresh.write_text(text, encoding="utf-8", newline="\n")
        fresh.replace(path)
